"""Tests of means over random passes, on models with known means."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks.objectives import ExpectationOverTransformation
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import assert_same_state
from tests.testing import no_gradients
from tests.testing import run_config_test
from tests.testing import state
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels(4, classes=2)
# All change of an image, as there is neither bound nor projection.
FREE = {"norm": "l2", "epsilon": 10.0, "step_size": 0.01}


def evaluated(objective, model, draw=0):
    victim = as_classifier(model).with_draw(draw)
    with no_gradients():
        return [
            to_numpy(value)
            for value in objective.value_and_gradient(
                victim, ops.convert_to_tensor(X), ops.convert_to_tensor(Y), {}
            )
        ]


def unmoved(model, objective, steps):
    """The share of values with no gradient in any step."""
    attack = BIM(steps=steps, objective=objective, **FREE)
    return (to_numpy(attack(model, X, Y)) == X).mean()


@pytest.mark.everywhere
def test_mean_gradient():
    model, plain = networks.masked_linear(0.5)
    before = state(model)
    expected = evaluated(
        ExpectationOverTransformation("margin", samples=1), plain
    )[1]

    similarity = {}
    for samples in (1, 16):
        objective = ExpectationOverTransformation("margin", samples)
        gradient = evaluated(objective, model)[1]
        product = (gradient * expected).sum((1, 2, 3))
        lengths = [np.sqrt((g**2).sum((1, 2, 3))) for g in (gradient, expected)]
        similarity[samples] = product / (lengths[0] * lengths[1])

    # Half of the values are twice the mean and half are zero, in each sample.
    np.testing.assert_allclose(similarity[1], 1 / np.sqrt(2), atol=0.12)
    np.testing.assert_allclose(similarity[16], 1 / np.sqrt(17 / 16), atol=0.02)
    assert_same_state(before, state(model))


def test_probabilities_are_averaged():
    model, _ = networks.masked_linear(0.5)
    victim = as_classifier(model).with_draw(7)
    singles = [
        to_numpy(ops.softmax(victim.with_draw(k).frozen_logits(X)))
        for k in range(3)
    ]
    assert abs(singles[0] - singles[1]).max() > 0.01

    objective = ExpectationOverTransformation(samples=3)
    logits = evaluated(objective, model, draw=7)[2]

    expected = np.mean(singles, axis=0)
    np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 2])
def test_every_step_and_sample_has_noise_of_its_own(samples):
    model, _ = networks.masked_linear(0.5)
    before = state(model)
    objective = ExpectationOverTransformation("margin", samples)

    share = unmoved(model, objective, 3)

    np.testing.assert_allclose(share, 0.5 ** (3 * samples), rtol=0.6)
    assert_same_state(before, state(model))
    assert unmoved(model, objective, 3) == share


@pytest.mark.everywhere
@pytest.mark.parametrize("as_function", [False, True])
def test_random_transformation(as_function):
    plain = networks.linear(classes=2)
    model = (lambda x: plain(x)) if as_function else plain
    mask = networks.Mask(0.5)
    seed = to_numpy(mask.seed_generator.state.value)
    objective = ExpectationOverTransformation("margin", 2, mask)

    share = unmoved(model, objective, 2)

    np.testing.assert_allclose(share, 0.5**4, rtol=0.4)
    np.testing.assert_array_equal(mask.seed_generator.state.value, seed)


def test_fixed_transformation():
    model = networks.functional()

    def mirrored(x):
        return ops.flip(x, axis=2)

    plain = ExpectationOverTransformation(samples=1)
    values, gradient, logits = evaluated(plain, lambda x: model(mirrored(x)))
    objective = ExpectationOverTransformation(
        samples=2, transformation=mirrored
    )
    moved = evaluated(objective, model)

    np.testing.assert_allclose(moved[0], values, rtol=1e-5)
    np.testing.assert_allclose(moved[1], gradient, rtol=1e-4, atol=1e-7)


def test_preprocessing_layer():
    # Keras' own layers, whose seeds are drawn in a compiled loop.
    model = networks.linear()
    rotation = keras.layers.RandomRotation(0.25, seed=1)
    objective = ExpectationOverTransformation("margin", 2, rotation)

    gradients = [evaluated(objective, model, draw)[1] for draw in (0, 0, 1)]

    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert abs(gradients[0] - gradients[2]).max() > 1e-3
    x_adv = PGD(0.1, steps=2, objective=objective)(model, X, Y)
    assert abs(to_numpy(x_adv) - X).max() > 0.05


def test_noise_that_hides_the_gradient():
    # One value in ten has a gradient: two steps reach a fifth of them.
    model, plain = networks.masked_linear(0.9)
    x, _ = networks.images_and_labels(32)
    y = to_numpy(plain(x)).argmax(-1).astype("int32")
    distances = networks.boundary_distances(plain, x, y, dual=1).min(-1)
    rows = distances.argsort()[-4:]
    x, y, epsilon = x[rows], y[rows], float(1.5 * distances.max())
    settings = {"steps": 2, "step_size": epsilon, "random_start": False}

    def accuracy(objective):
        attack = PGD(epsilon, objective=objective, **settings)
        x_adv = attack(model, x, y)
        return (to_numpy(plain(x_adv)).argmax(-1) == y).mean()

    assert accuracy("margin") == 1.0
    assert accuracy(ExpectationOverTransformation("margin", 8)) == 0.0


def test_passes_and_checks():
    objective = ExpectationOverTransformation("targeted_dlr", samples=5)

    assert objective.passes == (5, 5)
    assert objective.runs(10) == 9
    with pytest.raises(ValueError, match="at least 4 classes"):
        objective.check(as_classifier(networks.sequential("logit")))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"samples": 0}, "`samples` should be a whole number"),
        ({"objective": "loss"}, "`objective` should be one of"),
        ({"transformation": "rotate"}, "`transformation` should be a Keras"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExpectationOverTransformation(**arguments)


def test_config():
    loaded = run_config_test(
        ExpectationOverTransformation("dlr", 3, networks.Mask(0.3, seed=4))
    )

    assert loaded.transformation.seed == 4
