"""Tests of models of unusual forms: they work, or a sentence says why not."""

import sys
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.classifier import Classifier
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.data import as_images
from keras_attn_defense.data import check_images
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


def body(images, name="head"):
    x = layers.Conv2D(3, 3, activation="tanh")(images)
    return layers.Dense(4, name=name)(layers.Flatten()(x))


def test_several_inputs_are_counted():
    inputs = [keras.Input((8, 8, 3), name=name) for name in ("a", "b")]
    model = keras.Model(inputs, body(layers.Add()(inputs)))
    with pytest.raises(ValueError, match=r"has 2 inputs, \['a', 'b'\]\. Expec"):
        Classifier(model)


@pytest.mark.parametrize("form", [list, dict])
def test_several_outputs_are_counted(form):
    inputs = keras.Input((8, 8, 3))
    outputs = {"u": body(inputs, "u"), "v": body(inputs, "v")}
    if form is list:
        outputs = list(outputs.values())
    model = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match=r"has 2 outputs, \['u', 'v'\]\. Exp"):
        Classifier(model)


@pytest.mark.parametrize("form", [lambda i: {"image": i}, lambda i: [i]])
def test_an_input_in_a_dict_or_a_list_is_given_as_such(form):
    inputs = keras.Input((8, 8, 3), name="image")
    outputs = body(inputs)
    plain = keras.Model(inputs, outputs)
    model = keras.Model(form(inputs), outputs)

    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        images = to_numpy(FGSM(0.1)(model, X, Y))
        maps = to_numpy(GradCAM(model=model)(X, Y))

    assert not [each for each in noted if "structure" in str(each.message)]
    np.testing.assert_array_equal(images, to_numpy(FGSM(0.1)(plain, X, Y)))
    right = to_numpy(GradCAM(model=plain)(X, Y))
    np.testing.assert_allclose(maps, right, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([2], r"NaN or infinite values: image 2 of 9, counted"),
        ([1, 3], r"values: images 1, 3 of 9, counted from 0\."),
        (range(7), r"images 0, 1, 2, 3, 4, \.\.\. of 9"),
    ],
)
def test_images_that_are_not_finite_are_named(rows, message):
    images = np.zeros((9, 2, 2, 1), "float32")
    images[rows, 0, 0, 0] = np.nan
    images[rows[0], 0, 0, 0] = np.inf
    with pytest.raises(ValueError, match=message):
        check_images(images, (0.0, 1.0))


@pytest.mark.backend("tensorflow")
def test_images_of_unknown_rank():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_generator(lambda: iter([X]), tf.float32)
    with pytest.raises(ValueError, match="does not say how many axes"):
        dataset.map(lambda x: as_images(x, (0.0, 1.0)))


def test_a_network_of_pytorch_is_led_in_by_its_adapter():
    torch = pytest.importorskip("torch")
    assert "torch" in sys.modules
    with pytest.raises(ValueError, match="PyTorch module .Linear.*adapters"):
        as_classifier(torch.nn.Linear(3, 4))
    with pytest.raises(ValueError, match="kad.adapters.from_torch_module"):
        FGSM()(torch.nn.Conv2d(3, 4, 1), X, Y)


def test_images_in_the_place_of_the_model():
    images, _ = networks.images_and_labels()
    with pytest.raises(ValueError, match=r"shape \(4, 8, 8, 3\).*craft\(x, y"):
        as_classifier(images)
