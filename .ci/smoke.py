"""What a release must do where only one backend is installed.

    KERAS_BACKEND=jax python smoke.py

Prints what it found; raises where something is amiss.
"""

import importlib.metadata
import importlib.resources
import importlib.util
import os
import subprocess
import sys
import tempfile

FRAMEWORKS = {"tensorflow", "jax", "torch"}
MOST_SECONDS = 0.2  # Of the import beyond that of Keras.
TIMED_IMPORT = """
import time
import keras
start = time.process_time()
import keras_attn_defense
print(time.process_time() - start)
"""


def main():
    backend = os.environ["KERAS_BACKEND"]
    found = {name for name in FRAMEWORKS if importlib.util.find_spec(name)}
    expect(found == {backend}, f"installed frameworks: {sorted(found)}")
    print(f"{backend}: import in {seconds_of_import():.3f} s")
    check_package()
    train_and_evaluate()
    check_command_line()
    print(f"{backend}: fine")


def expect(condition, message):
    if not condition:
        raise SystemExit(f"smoke test: {message}")


def seconds_of_import():
    """The best of five processes: the machine may be busy."""
    command = [sys.executable, "-c", TIMED_IMPORT]
    seconds = min(
        float(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(5)
    )
    expect(seconds < MOST_SECONDS, f"the import took {seconds:.3f} s")
    return seconds


def check_package():
    import keras_attn_defense as kad

    version = importlib.metadata.version("keras-attn-defense")
    expect(kad.__version__ == version, f"{kad.__version__} is not {version}")
    expect("site-packages" in kad.__file__, f"imported from {kad.__file__}")
    marker = importlib.resources.files(kad) / "py.typed"
    expect(marker.is_file(), "py.typed is missing")


def train_and_evaluate():
    import keras
    import numpy as np

    import keras_attn_defense as kad

    x = np.random.default_rng(0).random((16, 8, 8, 3), "float32")
    y = (x.mean((1, 2, 3)) > 0.5).astype("int32")
    base = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model = kad.AttentionDefendedModel(base)
    history = model.fit(x, y, batch_size=8, verbose=0).history
    expect(np.isfinite(history["loss"]).all(), f"the loss is {history}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
        outputs = [each.predict(x, verbose=0) for each in (loaded, base)]
        difference = abs(outputs[0] - outputs[1])
        expect(difference.max() < 1e-6, f"{difference.max()} after loading")
    report = kad.evaluate_robustness(loaded, x, y, attacks="pgd", verbose=0)
    (robust,) = report.robust_accuracy.values()
    expect(0 <= robust <= report.clean_accuracy, f"robust accuracy {robust}")
    expect(
        FRAMEWORKS & set(sys.modules) <= {keras.backend.backend()},
        "another framework was imported",
    )


def check_command_line():
    command = [sys.executable, "-m", "keras_attn_defense", "--help"]
    text = subprocess.run(command, capture_output=True, check=True, text=True)
    expect("evaluate" in text.stdout, f"--help printed {text.stdout!r}")


if __name__ == "__main__":
    main()
