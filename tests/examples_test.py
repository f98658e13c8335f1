"""The examples of docstrings, README and docs run as they are written.

All run on PyTorch, where they take least time. The other backends run every
eighth, without evaluations, which compile for long: each part of the package
has its own tests on all of them.
"""

import functools
import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest
from pytest_examples import find_examples

import keras_attn_defense as kad

ROOT = Path(__file__).parents[1]
SETUP = ROOT / "docs" / "site" / "example_setup.py"
NOT_RUN = {
    "load_cifar10(": "needs CIFAR-10 on the disk",
    "load_mnist(": "needs MNIST on the disk",
    "load_tfds(": "needs data of TensorFlow Datasets on the disk",
    "tfds.load(": "needs data of TensorFlow Datasets on the disk",
    "distributed.Ray(": "starts processes, which tests/distributed does too",
    "train_ds.batch(": "needs a `tf.data` set",
    "CarliniWagner(steps=200": "takes most of a minute",
    "distribution.initialize(": "needs other processes",
    "MultiWorkerMirroredStrategy(": "needs other processes",
}
EXAMPLES = sorted(find_examples(ROOT / "keras_attn_defense"), key=str)
KNOWN = {example.source for example in EXAMPLES}
TEXTS = [
    example
    for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
    for example in find_examples(path)
    if example.source not in KNOWN
]
RUN = EXAMPLES
if keras.backend.backend() != "torch":
    RUN = [e for e in EXAMPLES[::8] if "evaluate_robustness" not in e.source]


def network():
    """For images of the size that texts have, 32x32."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


class Batches(keras.utils.PyDataset):
    """What texts call a data set: one small batch."""

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
    skip_without_libraries(example)
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


@pytest.mark.parametrize("example", RUN, ids=str)
def test_example_of_a_docstring_runs(example, names):
    run(example, names)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("example", TEXTS, ids=str)
def test_example_of_a_text_runs(example, names, monkeypatch):
    model = network()
    x = names["x"].repeat(2, axis=1).repeat(2, axis=2)
    y = model.predict(x, verbose=0).argmax(axis=-1)
    names |= {"x": x, "y": y, "base": network(), "model": model}
    names["train_ds"] = names["val_ds"] = Batches(x[:2], y[:2])
    # Wrong labels: nothing is left to AutoAttack, which takes long.
    names["test_ds"] = Batches(x, (y + 1) % 4)
    # Long training is not what is tested.
    few = functools.partial(
        kad.datasets.load_digit_scenes, num_train=128, num_test=32
    )
    monkeypatch.setattr(kad.datasets, "load_digit_scenes", few)
    fit = keras.Model.fit

    @functools.wraps(fit)  # With its signature.
    def one_epoch(*args, **kwargs):
        return fit(*args, **kwargs | {"epochs": 1})

    monkeypatch.setattr(keras.Model, "fit", one_epoch)

    run(example, names)
