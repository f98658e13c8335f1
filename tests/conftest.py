"""Set-up shared by all tests; `KERAS_BACKEND` chooses the backend."""

import gc
import importlib.util
import os

# Before TensorFlow: the other order can crash the process on Linux.
try:
    import torch  # noqa: F401
except ImportError:
    pass

BACKENDS = ("tensorflow", "jax", "torch")
# PyTorch starts in the least time.
RUNS_ONCE = "torch" if importlib.util.find_spec("torch") else None

if "KERAS_BACKEND" not in os.environ:
    for name in BACKENDS:
        if importlib.util.find_spec(name) is not None:
            os.environ["KERAS_BACKEND"] = name
            break
os.environ.setdefault("MPLBACKEND", "Agg")
# TensorFlow's gradients of channels-first convolutions come from oneDNN, which
# it leaves off by itself on processors without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Tiny networks take longer to compile than to run on JAX, and programs that
# tests start compile the same.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# XLA's newer code generator takes three times as long for them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1",
)
# Names of lines in what JAX compiles: nobody reads them, and they take time.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import keras  # noqa: E402
import pytest  # noqa: E402

if keras.backend.backend() == "tensorflow":
    import tensorflow

    # Graphs of tiny networks take longer to optimize than to run.
    tensorflow.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": True}
    )

# Each collection of garbage would look at all that the frameworks have
# imported, and there are thousands of them: a quarter of the time of all tests.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)


def pytest_addoption(parser):
    parser.addoption(
        "--everywhere",
        action="store_true",
        help="runs the tests marked `once` on each backend",
    )


def runs_elsewhere(item):
    """Tells whether another backend runs a test for all of them."""
    once = {"once": True, "everywhere": False}
    # The mark of a test comes before that of its file.
    marks = [m.name for m in item.iter_markers() if m.name in once]
    return (
        not item.config.getoption("everywhere")
        and bool(marks)
        and once[marks[0]]
        and RUNS_ONCE not in (None, keras.backend.backend())
    )


def pytest_collection_modifyitems(items):
    # Files of slow tests come first: the short ones fill the end evenly.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    backend = keras.backend.backend()
    for item in items:
        if runs_elsewhere(item):
            reason = f"runs on {RUNS_ONCE} unless `--everywhere` is given"
            item.add_marker(pytest.mark.skip(reason=reason))
        for marker in item.iter_markers("backend"):
            unknown = set(marker.args) - set(BACKENDS)
            if unknown or not marker.args:
                raise pytest.UsageError(
                    "`pytest.mark.backend` takes names out of "
                    f"{BACKENDS}. Received: {marker.args} (on {item.nodeid})"
                )
            if backend not in marker.args:
                reason = f"needs Keras backend {' or '.join(marker.args)}"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives a file to one process, and all exports, which share models."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            folder = "tests/export/"
            return folder if file.startswith(folder) else file

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def isolated_keras_state():
    """Fixes the seeds; undoes what a test changed in Keras' global state."""
    keras.utils.set_random_seed(0)
    image_data_format = keras.config.image_data_format()
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format(image_data_format)
    # Freeing memory means a garbage collection, a third of a second each.
    keras.utils.clear_session(free_memory=False)
