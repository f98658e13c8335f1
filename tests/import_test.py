"""What `import keras_attn_defense` needs and loads, in fresh processes."""

import subprocess
import sys
import textwrap

import keras
import pytest

FRAMEWORKS = ("tensorflow", "jax", "torch")
OPTIONAL_LIBRARIES = (
    "matplotlib",
    "PIL",
    "sklearn",
    "tensorboardX",
    "tensorflow_datasets",
)

# Keras itself tries to import some of the absent libraries and does without
# them, so attempts are counted from after its import. An absent library is one
# that no finder finds; raising here instead would break `find_spec` of callers.
SCRIPT = """
    import sys

    ABSENT = {absent!r}
    attempts = []

    class FinderWithoutAbsent:
        def __init__(self, finder):
            self.finder = finder

        def __getattr__(self, name):
            return getattr(self.finder, name)

        def find_spec(self, fullname, path=None, target=None):
            if fullname.partition(".")[0] in ABSENT:
                attempts.append(fullname)
                return None
            return self.finder.find_spec(fullname, path, target)

    sys.meta_path[:] = [FinderWithoutAbsent(f) for f in sys.meta_path]

    import keras

    assert keras.backend.backend() == {backend!r}
    attempts.clear()
    before = set(sys.modules)

    import keras_attn_defense

    print("attempts:", attempts)
    print(*{{name.partition(".")[0] for name in set(sys.modules) - before}})
"""

# The time of the processor: that of the clock depends on what else runs.
TIMED_SCRIPT = """
    import time

    import keras

    start = time.process_time()

    import keras_attn_defense

    print(time.process_time() - start)
"""
MOST_SECONDS = 0.2


def import_without(*absent):
    """Imports the package as if the named libraries were not installed."""
    return output_of(
        SCRIPT.format(absent=absent, backend=keras.backend.backend())
    )


def output_of(script):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_with_one_framework_and_no_optional_library():
    others = set(FRAMEWORKS) - {keras.backend.backend()}

    attempts, imported = import_without(
        *others, *OPTIONAL_LIBRARIES
    ).splitlines()

    # Not even behind `try`: importing the package loads no library that the
    # work at hand may not need.
    assert attempts == "attempts: []"
    # SciPy's parts, half a second together, are loaded when they are used.
    assert set(imported.split()) <= {
        "keras_attn_defense",
        "scipy",
        "rich",
        "csv",
        "_csv",
    }


@pytest.mark.once
def test_import_is_quick(monkeypatch):
    # The first process leaves bytecode, as an installed package has it.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    seconds = [float(output_of(TIMED_SCRIPT)) for _ in range(2)]

    assert min(seconds) < MOST_SECONDS
