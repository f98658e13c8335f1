"""Tests of SavedModels: loaded models return what the model returns."""

import os
import subprocess

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import LayerCAM
from keras_attn_defense.attention import Occlusion
from keras_attn_defense.export import export
from keras_attn_defense.preprocessing import ServingPreprocessing
from tests import networks
from tests.testing import to_numpy

tf = pytest.importorskip("tensorflow")
X, _ = networks.images_and_labels(5)
BYTES = np.random.default_rng(0).integers(0, 256, (3, 20, 12, 3), "uint8")


def ask(path, signature="serving_default", **inputs):
    # Kept alive: a signature does not hold on to the variables.
    loaded = tf.saved_model.load(str(path))
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    answer = loaded.signatures[signature](**inputs)
    return {name: value.numpy() for name, value in answer.items()}


def test_a_model_with_attributes_like_ours_is_written_itself(tmp_path):
    model = networks.nested()
    # Common names in transfer learning.
    model.base = model.get_layer("backbone")
    model.attention = model.layers[-1]
    export(model, tmp_path / "1", explain=True)

    answer = ask(tmp_path / "1", "explain", images=X)

    expected = to_numpy(model(X, training=False))
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)
    maps = GradCAM(normalization="max", upsample=True, model=model)(X)
    np.testing.assert_allclose(
        answer["attention_map"], to_numpy(maps), atol=1e-4
    )


@pytest.mark.parametrize("rows", [1, 5])
def test_predictions_are_those_of_the_model(model, served, rows):
    answer = ask(served / "1", images=X[:rows])

    assert list(answer) == ["predictions"]
    expected = to_numpy(model.base(X[:rows], training=False))
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)


def test_explains_the_predicted_class(model, served):
    answer = ask(served / "1", "explain", images=X)

    expected = to_numpy(model.base(X, training=False))
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)
    np.testing.assert_array_equal(
        answer["explained_class"], expected.argmax(-1)
    )
    maps = GradCAM("sum", normalization="max", model=model.base)(X)
    assert answer["attention_map"].shape == (5, 8, 8)
    np.testing.assert_allclose(
        answer["attention_map"], to_numpy(maps), atol=1e-5
    )


def test_explains_a_given_class(model, served):
    classes = np.array([3, 2, 1, 0, 7], "int32")

    answer = ask(served / "1", "explain_class", images=X, classes=classes)

    method = GradCAM("sum", normalization="max", model=model.base)
    maps = to_numpy(method(X[:4], classes[:4]))
    np.testing.assert_allclose(answer["attention_map"][:4], maps, atol=1e-5)
    # There are four classes.
    assert np.isnan(answer["attention_map"][4]).all()


def test_no_map_of_what_cannot_be_explained(model, served):
    images = X.copy()
    images[1, 0, 0, 0], images[2, 7, 7, 2] = np.nan, np.inf
    classes = np.array([-1, 0, 1, 99, 3], "int32")
    by_class = ask(
        served / "1", "explain_class", images=images, classes=classes
    )
    predicted = ask(served / "1", "explain", images=images)
    others = [0, 3, 4]

    for answer, none in ((by_class, [0, 1, 2, 3]), (predicted, [1, 2])):
        is_nan = np.isnan(answer["attention_map"])
        np.testing.assert_array_equal(
            is_nan.all((1, 2)), np.isin(np.arange(5), none)
        )
        assert is_nan.any((1, 2)).sum() == len(none)
        expected = to_numpy(model.base(X, training=False))
        np.testing.assert_allclose(
            answer["predictions"][others], expected[others], atol=1e-6
        )
    np.testing.assert_array_equal(
        predicted["explained_class"],
        [expected[0].argmax(), -1, -1, *expected[3:].argmax(-1)],
    )


def with_lambda(function):
    plain = networks.sequential()
    inputs = keras.Input(networks.IMAGE_SHAPE)
    scaled = keras.layers.Lambda(function, name="scaled")(inputs)
    return keras.Model(inputs, plain(scaled))


# In PyTorch it takes a process.
@pytest.mark.backend("tensorflow", "jax")
def test_a_model_with_a_lambda(tmp_path):
    model = with_lambda(lambda x: x * 0.5)
    export(model, tmp_path / "1")

    answer = ask(tmp_path / "1", images=X)["predictions"]

    expected = to_numpy(model(X, training=False))
    np.testing.assert_allclose(answer, expected, atol=1e-6)


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "model, advice",
    [
        (
            with_lambda(lambda x: x),
            "layers ['scaled'] are `Lambda` layers",
        ),
        (networks.linear(), "Your own classes must be registered"),
    ],
)
def test_the_cause_of_a_failure_comes_first(
    model, advice, tmp_path, monkeypatch
):
    output = """Some log line, not an error
Traceback (most recent call last):
  File "keras.py", line 3, in load
TypeError: the first
Traceback (most recent call last):
  File "keras.py", line 4, in load
keras.errors.SomeError: name 'np' is not defined
in two lines
"""
    failed = subprocess.CompletedProcess([], 1, "", output)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ValueError) as error:
        export(model, tmp_path / "1")

    assert str(error.value).startswith(
        "The TensorFlow process could not load or write the model: "
        "keras.errors.SomeError: name 'np' is not defined\nin two lines\n"
    )
    assert advice in str(error.value)


def test_preprocesses_bytes_of_any_size(model, served):
    answer = ask(served / "2", "explain", images=BYTES)

    preprocess = ServingPreprocessing((8, 8), (-1, 1))
    images = preprocess(BYTES)
    expected = to_numpy(model.base(images, training=False))
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-5)
    maps = LayerCAM("sum", model=model.base)(images)
    np.testing.assert_allclose(
        answer["attention_map"], to_numpy(maps), atol=1e-4
    )


@pytest.mark.backend("jax")
def test_is_written_for_every_kind_of_device(served):
    program = (served / "1" / "saved_model.pb").read_bytes()
    for platform in (b"CPU", b"CUDA", b"TPU"):
        assert platform in program


@pytest.mark.backend("tensorflow", "jax")
def test_answers_in_single_precision(tmp_path):
    model = networks.sequential(dtype="mixed_bfloat16")
    export(model, tmp_path / "1")

    answer = ask(tmp_path / "1", images=X)["predictions"]

    expected = to_numpy(ops.cast(model(X, training=False), "float32"))
    assert answer.dtype == "float32"
    np.testing.assert_allclose(answer, expected, atol=0.02)


def test_preprocessing_values():
    images = np.array([0, 51, 255], "uint8").reshape(1, 3, 1, 1)

    actual = ServingPreprocessing(value_range=(-1, 1))(images)
    np.testing.assert_allclose(
        to_numpy(actual).ravel(), [-1, -0.6, 1], atol=1e-6
    )
    # Half-pixel centers: the mean of two pixels each.
    ramp = np.arange(0, 80, 10, "uint8").reshape(1, 1, 8, 1)
    actual = ServingPreprocessing((1, 4))(np.repeat(ramp, 2, axis=1))
    np.testing.assert_allclose(
        255 * to_numpy(actual).ravel(), [5, 25, 45, 65], atol=1e-4
    )


def test_preprocessing_config():
    layer = ServingPreprocessing((4, 6), (-1, 1), "nearest", name="prepare")
    again = ServingPreprocessing.from_config(layer.get_config())

    assert again.get_config() == layer.get_config()


# In PyTorch it takes a process.
@pytest.mark.backend("tensorflow", "jax")
def test_replaces_a_folder_only_when_told(served, tmp_path):
    model = networks.sequential()
    with pytest.raises(ValueError, match="exists. Choose the next version"):
        export(model, served / "1")
    path = tmp_path / "1"
    path.mkdir()
    (path / "old.txt").write_text("old")

    export(model, path, overwrite=True)

    assert os.listdir(tmp_path) == ["1"]
    assert not (path / "old.txt").exists()
    answer = ask(path, images=X)
    expected = to_numpy(model(X, training=False))
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)


# In PyTorch it takes a process.
@pytest.mark.backend("tensorflow", "jax")
def test_a_failure_leaves_nothing_behind(tmp_path):
    class Broken(keras.layers.Layer):
        def call(self, images):
            raise RuntimeError("not this one")

    with pytest.raises((RuntimeError, ValueError), match="not this one|Broken"):
        export(networks.sequential(), tmp_path / "1", preprocess=Broken())
    assert os.listdir(tmp_path) == []


def test_bad_input(tmp_path):
    model = networks.sequential()
    with pytest.raises(ValueError, match="`preprocess` should be a"):
        export(model, tmp_path / "1", preprocess=lambda x: x)
    with pytest.raises(ValueError, match="only `preprocess=True` uses it"):
        export(model, tmp_path / "1", value_range=(-1.0, 1.0))
    with pytest.raises(ValueError, match="should have three entries"):
        export(model, tmp_path / "1", input_shape=(8, 8))
    with pytest.raises(ValueError, match="Pass `explain=True` as well"):
        export(model, tmp_path / "1", attention=GradCAM())
    with pytest.raises(ValueError, match="Occlusion runs the model many times"):
        export(model, tmp_path / "1", explain=True, attention=Occlusion())
    with pytest.raises(ValueError, match="has no layer named 'nowhere'"):
        export(
            model, tmp_path / "1", explain=True, attention=GradCAM("nowhere")
        )
