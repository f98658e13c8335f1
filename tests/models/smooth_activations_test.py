"""Tests of models whose ReLU is replaced."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_attn_defense as kad
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels(4)


def rough():
    inner = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layers.Conv2D(4, 3, activation="relu6"),
            layers.LeakyReLU(),
        ],
        name="inner",
    )
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="first")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(name="rectifier")(x)
    x = layers.Flatten()(inner(x))
    outputs = layers.Dense(4, activation="softmax")(x)
    return networks.set_weights(keras.Model(inputs, outputs), 3)


def test_every_relu_is_replaced_and_weights_are_kept():
    model = rough()
    smooth = kad.models.smooth_activations(model)
    texts = [repr(m.get_config()) for m in (model, smooth)]
    assert "relu" in texts[0] and "relu" not in texts[1].replace("rectif", "")
    assert smooth.get_layer("first").activation is keras.activations.silu
    assert smooth.layers[-1].activation is keras.activations.softmax
    for own, its in zip(model.get_weights(), smooth.get_weights(), strict=True):
        np.testing.assert_array_equal(own, its)
    assert smooth.input_shape == model.input_shape
    assert model.get_layer("first").activation is keras.activations.relu


def test_another_activation_gives_its_numbers():
    base = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, "relu", name="dense")]
    )
    smooth = kad.models.smooth_activations(base, "softplus")
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    kernel, bias = base.get_weights()
    expected = np.log1p(np.exp(x @ kernel + bias))
    np.testing.assert_allclose(to_numpy(smooth(x)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "relu",
    [
        keras.ops.relu,
        keras.ops.relu6,
        keras.ops.leaky_relu,
        keras.activations.relu,
        lambda x: keras.activations.relu(x, negative_slope=0.1, max_value=6.0),
    ],
)
def test_functions_between_layers(relu):
    inputs = keras.Input((3,))
    x = relu(inputs - 0.25)
    outputs = layers.Dense(2)(keras.ops.concatenate([x, inputs], axis=1))
    model = keras.Model(inputs, outputs)
    smooth = kad.models.smooth_activations(model, "softplus")
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    kernel, bias = model.get_weights()
    first = np.log1p(np.exp(x - 0.25))
    expected = np.concatenate([first, x], axis=1) @ kernel + bias
    np.testing.assert_allclose(to_numpy(smooth(x)), expected, atol=1e-5)
    before = np.concatenate([to_numpy(relu(x - 0.25)), x], axis=1)
    before = before @ kernel + bias
    np.testing.assert_allclose(to_numpy(model(x)), before, atol=1e-5)


def test_what_cannot_be_replaced():
    with pytest.raises(ValueError, match="has no ReLU"):
        kad.models.smooth_activations(networks.functional())
    with pytest.raises(ValueError, match="silly"):
        kad.models.smooth_activations(rough(), "silly")
