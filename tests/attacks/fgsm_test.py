"""Tests of FGSM, by its closed form on a linear model."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attn_defense.attacks import FGSM
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(4)
X = GENERATOR.uniform(0.2, 0.8, (5, 4, 4, 2)).astype("float32")
Y = np.array([0, 1, 2, 0, 1])
KERNEL = GENERATOR.normal(size=(32, 3)).astype("float32")


@pytest.fixture(scope="module")
def linear():
    model = keras.Sequential(
        [keras.Input((4, 4, 2)), layers.Flatten(), layers.Dense(3)]
    )
    model.set_weights([KERNEL, np.zeros(3)])
    return model


def loss_gradient(label_smoothing=0.0):
    logits = X.reshape(5, -1).astype("float64") @ KERNEL
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    target = np.eye(3)[Y] * (1 - label_smoothing) + label_smoothing / 3
    return ((p - target) @ KERNEL.T).reshape(X.shape)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_linf(linear, targeted, label_smoothing):
    attack = FGSM(
        epsilon=0.1, targeted=targeted, label_smoothing=label_smoothing
    )
    step = 0.1 * np.sign(loss_gradient(label_smoothing))

    np.testing.assert_allclose(
        to_numpy(attack(linear, X, Y)),
        X - step if targeted else X + step,
        atol=1e-6,
    )


def test_l2(linear):
    gradient = loss_gradient()
    length = np.sqrt((gradient**2).sum((1, 2, 3), keepdims=True))

    np.testing.assert_allclose(
        to_numpy(FGSM(epsilon=0.4, norm="l2")(linear, X, Y)),
        X + 0.4 * gradient / length,
        atol=1e-5,
    )


def test_step_size_shorter_than_epsilon(linear):
    expected = X + 0.03 * np.sign(loss_gradient())

    class Short(FGSM):
        def relative_step_size(self):
            return 0.3

    actual = Short(epsilon=0.1)(linear, X, Y)
    np.testing.assert_allclose(to_numpy(actual), expected, atol=1e-6)
