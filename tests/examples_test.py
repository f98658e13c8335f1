"""The examples of the docstrings and of the README run as they are written.

They run in full on PyTorch, where they take least time. The other backends
run every fourth: each part of the package has its own tests on all of them.
"""

import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest
from pytest_examples import find_examples

from tests.testing import quick_compilation  # noqa: F401

ROOT = Path(__file__).parents[1]
SETUP = ROOT / "docs" / "site" / "example_setup.py"
NOT_RUN = {
    "load_cifar10(": "needs CIFAR-10 on the disk",
    "load_mnist(": "needs MNIST on the disk",
    "load_tfds(": "needs data of TensorFlow Datasets on the disk",
}
EXAMPLES = list(find_examples(ROOT / "keras_attn_defense"))
README = list(find_examples(ROOT / "README.md"))
SHARE = slice(None, None, 1 if keras.backend.backend() == "torch" else 4)


def network():
    """For images of the README's size, 32x32."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


class Batches(keras.utils.PyDataset):
    """What the README calls a data set: one small batch."""

    def __init__(self, x, y):
        super().__init__()
        self.batch = x, y

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What every example starts from, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return runpy.run_path(str(SETUP))


def run(example, names):
    # Blank lines, so that an error names the line in the file.
    source = "\n" * example.start_line + example.source
    exec(compile(source, str(example.path), "exec"), names)


def skip_without_libraries(example):
    for text, reason in NOT_RUN.items():
        if text in example.source:
            pytest.skip(reason)
    for name in re.findall(r"^(?:import|from) (\w+)", example.source, re.M):
        if find_spec(name) is None:
            pytest.skip(f"needs {name}")


@pytest.mark.parametrize("example", EXAMPLES[SHARE], ids=str)
def test_example_of_a_docstring_runs(example, names):
    skip_without_libraries(example)

    run(example, names)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("example", README, ids=str)
def test_example_of_the_readme_runs(example, names, monkeypatch):
    model = network()
    x = names["x"].repeat(2, axis=1).repeat(2, axis=2)
    y = model.predict(x, verbose=0).argmax(axis=-1)
    names |= {"x": x, "y": y, "base": network(), "model": model}
    names["train_ds"] = names["val_ds"] = Batches(x[:2], y[:2])
    # Wrong labels: nothing is left to AutoAttack, which takes long.
    names["test_ds"] = Batches(x, (y + 1) % 4)
    # Training a large network is not what is tested.
    monkeypatch.setattr(
        keras.applications, "MobileNetV2", lambda **_: network()
    )
    fit = keras.Model.fit
    monkeypatch.setattr(
        keras.Model, "fit", lambda *args, **kw: fit(*args, **kw | {"epochs": 1})
    )

    run(example, names)
