"""Models that only look robust: PGD stands still before them, the suite not."""

import keras
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import BPDA
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import AutoAttack
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks.objectives import ExpectationOverTransformation
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(16)
STILL = PGD(steps=5, random_start=False, name="pgd")


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Quantized(layers.Layer):
    """Sixteen levels of each color: the gradient is zero."""

    def call(self, inputs):
        levels = ops.round(inputs * 15.0) / 15.0
        return ops.stop_gradient(levels) + 0.0 * inputs


@pytest.fixture(scope="module")
def quantized():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    hidden = Quantized(name="quantized")(inputs)
    return keras.Model(inputs, networks.functional()(hidden))


def evaluated(model, attacks, epsilon=0.1, images=X):
    predicted = to_numpy(as_classifier(model).logits(images))
    report = kad.evaluate_robustness(
        model,
        images,
        predicted.argmax(-1),
        attacks=attacks,
        epsilons=epsilon,
        batch_size=16,
        checks=False,
        verbose=0,
    )
    return report.robust_accuracy[epsilon]


def test_quantised_input(quantized):
    square = Square(queries=200, rescale_schedule=True, name="square")
    suite = [APGD(steps=5, name="apgd"), square]

    assert evaluated(quantized, STILL) == 1.0
    assert evaluated(quantized, AutoAttack(version=suite, seed=0)) <= 0.6


def test_quantised_input_through_an_approximation(quantized):
    assert evaluated(BPDA(quantized, "quantized"), STILL) < 0.2


@pytest.mark.parametrize("objective", ["dlr", "margin"])
def test_saturated_softmax(objective):
    model = networks.sharpened(networks.functional(), 1e5)

    assert evaluated(model, STILL) > 0.6
    suite = AutoAttack(version=[APGD(steps=8, objective=objective)], seed=0)
    assert evaluated(model, suite) < 0.2


def test_noise_over_the_gradient():
    # Of the gradient of one pass, one value in ten is left.
    model, plain = networks.masked_linear(0.9)
    logits = to_numpy(plain(X))
    distances = networks.boundary_distances(plain, X, logits.argmax(-1), 1)
    near = distances.min(-1).argsort()[:8]
    epsilon = float(1.5 * distances.min(-1)[near].max())
    two_steps = {"steps": 2, "step_size": epsilon, "random_start": False}

    def accuracy(objective):
        x_adv = PGD(epsilon, objective=objective, **two_steps)(
            model, X[near], logits.argmax(-1)[near]
        )
        return (
            to_numpy(plain(x_adv)).argmax(-1) == logits.argmax(-1)[near]
        ).mean()

    assert accuracy("margin") > 0.6
    assert accuracy(ExpectationOverTransformation("margin", 20)) == 0.0
