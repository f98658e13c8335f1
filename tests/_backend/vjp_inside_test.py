"""Tests of `vjp_inside`: the gradient at a tensor inside a function."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense._backend import compiled
from keras_attn_defense._backend import vjp_inside
from tests.testing import BACKEND
from tests.testing import finite_differences
from tests.testing import float64_enabled
from tests.testing import gradient
from tests.testing import jitted
from tests.testing import no_gradients
from tests.testing import tensor
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(1)
X = GENERATOR.normal(size=(2, 3))
STEM = GENERATOR.normal(size=(3, 4))
HEAD = GENERATOR.normal(size=(4, 2))
COTANGENT = GENERATOR.normal(size=(2, 2))


@pytest.fixture
def float64():
    with float64_enabled():
        yield


def forward(tap, stem=STEM, head=HEAD):
    features = tap(ops.tanh(tensor(X) @ tensor(stem)))
    return ops.tanh(features @ tensor(head)), "the rest"


def no_losses(losses):
    raise AssertionError("nothing adds a loss here")


def features_gradient(cotangent=COTANGENT, **weights):
    outputs, [features], pullback = vjp_inside(
        lambda tap: forward(tap, **weights), [], no_losses
    )
    return outputs, features, pullback(tensor(cotangent))[0]


def test_outputs_features_and_gradient(float64):
    outputs, features, actual = features_gradient()

    expected = np.tanh(X @ STEM)
    np.testing.assert_allclose(to_numpy(features), expected, rtol=1e-12)
    expected = np.tanh(expected @ HEAD)
    np.testing.assert_allclose(to_numpy(outputs[0]), expected, rtol=1e-12)
    assert outputs[1] == "the rest"
    differences = finite_differences(
        lambda a: np.sum(np.tanh(a @ HEAD) * COTANGENT), np.tanh(X @ STEM)
    )
    np.testing.assert_allclose(to_numpy(actual).ravel(), differences, rtol=1e-7)


def test_two_pullbacks_from_one_forward(float64):
    _, _, pullback = vjp_inside(forward, [], no_losses)
    parts = [
        to_numpy(pullback(tensor(COTANGENT * mask))[0])
        for mask in ([[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 1.0]])
    ]

    np.testing.assert_allclose(parts[1] + parts[2], parts[0], rtol=1e-12)
    assert abs(parts[1] - parts[2]).min() > 1e-6


def test_several_tensors_one_after_the_other(float64):
    def function(tap):
        first = tap(ops.tanh(tensor(X) @ tensor(STEM)))
        second = tap(ops.tanh(first @ tensor(HEAD)))
        return (ops.square(second),)

    _, features, pullback = vjp_inside(function, [], no_losses)
    gradients = pullback(tensor(COTANGENT))

    first = np.tanh(X @ STEM)
    second = np.tanh(first @ HEAD)
    slope = 2 * second * COTANGENT
    expected = [slope * (1 - second**2) @ HEAD.T, slope]
    for actual, wanted in zip(features, [first, second], strict=True):
        np.testing.assert_allclose(to_numpy(actual), wanted, rtol=1e-12)
    for actual, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(to_numpy(actual), wanted, rtol=1e-12)


@pytest.mark.parametrize("name, value", [("stem", STEM), ("head", HEAD)])
def test_second_order(float64, name, value):
    def function(weight):
        _, features, slope = features_gradient(**{name: tensor(weight)})
        # As a map does, it depends on both: features and their gradient.
        return ops.sum(ops.square(slope) * features)

    (actual,) = gradient(function, value)

    quick = jitted(function)
    differences = finite_differences(lambda w: quick(tensor(w)), value)
    np.testing.assert_allclose(actual.ravel(), differences, rtol=1e-6)


def test_where_gradients_are_switched_off(float64):
    _, _, expected = features_gradient()
    with no_gradients():
        _, _, actual = features_gradient()

    np.testing.assert_array_equal(to_numpy(actual), to_numpy(expected))
    assert not getattr(actual, "requires_grad", False)


def off_the_way(tap):
    tap(ops.tanh(tensor(X) @ tensor(STEM)))
    return (ops.tanh(tensor(X) @ tensor(STEM)) @ tensor(HEAD),)


def through_argmax(tap):
    features = tap(ops.tanh(tensor(X) @ tensor(STEM)))
    index = ops.argmax(features, axis=-1)
    return (ops.one_hot(index, 4, dtype="float64"),)


def stopped(tap):
    features = tap(ops.tanh(tensor(X) @ tensor(STEM)))
    return (ops.stop_gradient(features) @ tensor(HEAD),)


@pytest.mark.parametrize("function", [off_the_way, through_argmax, stopped])
def test_disconnected(float64, function):
    with pytest.raises(ValueError, match="does not depend on the tensor"):
        outputs, _, pullback = vjp_inside(function, [], no_losses)
        pullback(ops.ones_like(outputs[0]))


IMAGES = GENERATOR.normal(1.0, 2.0, size=(4, 3)).astype("float32")


def run_training_mode(model, layer, images=IMAGES):
    """The gradient at `layer`, in training mode, in one compiled call."""
    losses = []

    def step(images):
        def function(tap):
            x = images
            for each in model.layers:
                x = each(x, training=True) if each in stateful else each(x)
                x = tap(x) if each is layer else x
            return (x,)

        stateful = [each for each in model.layers if each.name != "head"]
        outputs, _, pullback = vjp_inside(
            function, model.variables, losses.extend
        )
        return outputs[0], pullback(ops.ones_like(outputs[0]))[0]

    with no_gradients():
        outputs = compiled(step, model.variables)(tensor(images))
    return [to_numpy(output) for output in outputs], losses


def test_batch_norm_statistics_move():
    norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    model = keras.Sequential(
        [keras.Input((3,)), norm, keras.layers.Dense(2, name="head")]
    )
    kernel = to_numpy(model.layers[-1].kernel.value)

    (outputs, slope), _ = run_training_mode(model, norm)
    mean, variance = IMAGES.mean(0), IMAGES.var(0)
    expected = (IMAGES - mean) / np.sqrt(variance + 1e-3) @ kernel
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slope, np.ones((4, 2)) @ kernel.T, rtol=1e-5)
    for share in (0.1, 0.19):  # The second call goes on from the first.
        moved = to_numpy(norm.moving_mean.value)
        np.testing.assert_allclose(moved, share * mean, rtol=1e-4)
        moved = to_numpy(norm.moving_variance.value)
        expected = 1.0 - share + share * variance
        np.testing.assert_allclose(moved, expected, rtol=1e-4)
        run_training_mode(model, norm)
    np.testing.assert_array_equal(
        to_numpy(model.layers[-1].kernel.value), kernel
    )


def test_dropout_seed_advances():
    dropout = keras.layers.Dropout(0.5, seed=3)
    model = keras.Sequential(
        [keras.Input((3,)), dropout, keras.layers.Dense(2, name="head")]
    )
    seed = dropout.seed_generator.state
    states, outputs = [to_numpy(seed.value)], []
    for _ in range(2):
        outputs.append(run_training_mode(model, dropout)[0][0])
        states.append(to_numpy(seed.value))

    assert not np.array_equal(outputs[0], outputs[1])
    # As often as in a plain call, or runs would not repeat across backends.
    assert states[1].tolist() == [states[0][0], states[0][1] + 1]
    assert states[2].tolist() == [states[0][0], states[0][1] + 2]


def test_losses_of_layers_are_kept():
    first = keras.layers.Dense(2, activity_regularizer="l2")
    model = keras.Sequential(
        [keras.Input((3,)), first, keras.layers.Dense(2, name="head")]
    )
    model(IMAGES)
    expected = float(to_numpy(sum(model.losses)))
    model._clear_losses()
    losses = []

    def function(tap):
        return (model.layers[1](tap(first(tensor(IMAGES)))),)

    vjp_inside(function, model.variables, losses.extend)

    assert (len(losses) == 1) == (BACKEND == "jax")
    kept = sum(float(to_numpy(x)) for x in [*losses, *model.losses])
    assert expected > 0.01
    np.testing.assert_allclose(kept, expected, rtol=1e-6)
