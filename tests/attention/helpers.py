"""Maps in NumPy, and a network whose gradients have a closed form."""

import keras
import numpy as np
from keras import layers

from tests import networks
from tests.testing import to_numpy


def positive_network(dtype=None, seed=14):
    """Returns a network of positive features, 8x8 and 4x4, with a smooth head.

    The head is applied to the flattened map.
    """
    policy = keras.DTypePolicy(dtype or "float32")
    inputs = keras.Input(networks.IMAGE_SHAPE, dtype=policy.variable_dtype)
    arguments = {"padding": "same", "activation": "sigmoid", "dtype": dtype}
    x = layers.Conv2D(3, 3, name="early", **arguments)(inputs)
    x = layers.Conv2D(4, 3, strides=2, name="late", **arguments)(x)
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(5, activation="tanh", name="hidden", dtype=dtype)(x)
    x = layers.Dense(networks.NUM_CLASSES, name="head", dtype=dtype)(x)
    return networks.set_weights(keras.Model(inputs, x), seed, scale=2.0)


def features_and_gradients(model, images, labels):
    """Computes features and gradients of the layer "late" by hand.

    The model is a `positive_network`.
    """
    layer = model.get_layer("late")
    features = to_numpy(keras.Model(model.inputs[0], layer.output)(images))
    hidden, bias = (
        to_numpy(w.value) for w in model.get_layer("hidden").weights
    )
    head = to_numpy(model.get_layer("head").kernel.value)
    flat = np.tanh(features.reshape(len(images), -1) @ hidden + bias)
    slopes = (1 - flat**2) * head[:, labels].T
    return features, (slopes @ hidden.T).reshape(features.shape)


def normalized(maps, name):
    """Normalizes maps in NumPy."""
    positive = np.maximum(maps, 0)
    if name == "softmax":
        powers = np.exp(maps - maps.max((1, 2), keepdims=True))
        return powers / powers.sum((1, 2), keepdims=True)
    size = {
        "max": positive.max((1, 2), keepdims=True),
        "sum": positive.sum((1, 2), keepdims=True),
        "l2": np.sqrt((positive**2).sum((1, 2), keepdims=True)),
        None: 1.0,
    }[name]
    return positive / size


def bilinear(maps, height, width):
    """Resizes maps bilinearly: half-pixel centers, no antialiasing."""

    def matrix(new, old):
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(at.astype(int), max(old - 2, 0))
        weights = np.zeros((new, old))
        weights[np.arange(new), low] = 1 - (at - low)
        weights[np.arange(new), np.minimum(low + 1, old - 1)] += at - low
        return weights

    rows, columns = maps.shape[1:]
    return np.einsum(
        "ai,bij,cj->bac", matrix(height, rows), maps, matrix(width, columns)
    )
