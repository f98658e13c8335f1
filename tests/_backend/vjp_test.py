"""Tests of `vjp`, by finite differences in float64 on a smooth function."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense._backend import vjp
from tests.testing import finite_differences
from tests.testing import float64_enabled
from tests.testing import gradient
from tests.testing import jitted
from tests.testing import no_gradients
from tests.testing import tensor
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(2, 3))
KERNEL = GENERATOR.normal(size=(3, 4))
HEAD = GENERATOR.normal(size=(4, 2))
COTANGENT = GENERATOR.normal(size=(2, 2))


@pytest.fixture(autouse=True)
def float64():
    with float64_enabled():
        yield


def network(x, kernel=KERNEL):
    """Smooth, so that a second order exists: a piecewise linear one hides it"""
    return ops.tanh(ops.tanh(x @ tensor(kernel)) @ tensor(HEAD))


def weighted(x):
    return to_numpy(ops.sum(network(tensor(x)) * tensor(COTANGENT)))


def test_outputs_and_gradient():
    outputs, pullback = vjp(network, tensor(X))

    expected = np.tanh(np.tanh(X @ KERNEL) @ HEAD)
    np.testing.assert_allclose(to_numpy(outputs), expected, rtol=1e-12)
    differences = finite_differences(weighted, X)
    actual = to_numpy(pullback(tensor(COTANGENT)))
    assert actual.dtype == "float64"
    np.testing.assert_allclose(actual.ravel(), differences, rtol=1e-7)


def test_two_pullbacks_from_one_forward():
    calls = []

    def counted(x):
        calls.append(1)
        return network(x)

    _, pullback = vjp(counted, tensor(X))
    once = to_numpy(pullback(tensor(COTANGENT)))
    twice = to_numpy(pullback(tensor(3.0 * COTANGENT)))
    column = to_numpy(pullback(tensor(COTANGENT * [[1.0, 0.0]])))
    other_column = to_numpy(pullback(tensor(COTANGENT * [[0.0, 1.0]])))

    np.testing.assert_allclose(twice, 3.0 * once, rtol=1e-12)
    np.testing.assert_allclose(column + other_column, once, rtol=1e-12)
    assert abs(column - once).min() > 1e-6
    assert len(calls) == 1


def squared_gradient(x, kernel):
    _, pullback = vjp(lambda x: network(x, kernel), x)
    return ops.sum(ops.square(pullback(tensor(COTANGENT))))


def test_second_order_in_a_weight():
    (actual,) = gradient(lambda w: squared_gradient(tensor(X), w), KERNEL)

    function = jitted(lambda w: squared_gradient(tensor(X), w))
    differences = finite_differences(lambda w: function(tensor(w)), KERNEL)
    np.testing.assert_allclose(actual.ravel(), differences, rtol=1e-6)


def test_second_order_in_a_tensor_with_a_history():
    # Detaching the features would leave the head's curvature out.
    def function(x):
        return squared_gradient(ops.sin(x), KERNEL)

    (actual,) = gradient(function, X)

    quick = jitted(function)
    differences = finite_differences(lambda x: quick(tensor(x)), X)
    np.testing.assert_allclose(actual.ravel(), differences, rtol=1e-6)


def test_where_gradients_are_switched_off():
    _, pullback = vjp(network, tensor(X))
    expected = to_numpy(pullback(tensor(COTANGENT)))

    with no_gradients():
        outputs, pullback = vjp(network, tensor(X))
        actual = pullback(tensor(COTANGENT))

    np.testing.assert_array_equal(to_numpy(actual), expected)
    assert not getattr(actual, "requires_grad", False)


def test_leaves_its_argument_alone():
    x = tensor(X)

    vjp(network, x)[1](tensor(COTANGENT))

    assert not getattr(x, "requires_grad", False)
    np.testing.assert_array_equal(to_numpy(x), X)


def constant(x):
    return tensor(HEAD[:2])


def through_argmax(x):
    return ops.one_hot(ops.argmax(x, axis=-1), 3, dtype="float64")


def stopped(x):
    return network(ops.stop_gradient(x))


@pytest.mark.parametrize("function", [constant, through_argmax, stopped])
def test_disconnected(function):
    cotangent = tensor(to_numpy(function(tensor(X))))
    with pytest.raises(ValueError, match="does not depend on the tensor"):
        _, pullback = vjp(function, tensor(X))
        pullback(cotangent)


def test_gradient_that_is_zero_is_not_disconnected():
    _, pullback = vjp(lambda x: ops.relu(x - 100.0) + 0.0 * x, tensor(X))

    actual = to_numpy(pullback(tensor(np.ones_like(X))))
    np.testing.assert_array_equal(actual, np.zeros_like(X))


def test_reusable_without_recording():
    with no_gradients():
        _, pullback = vjp(network, tensor(X), reusable=True)
        parts = [
            to_numpy(pullback(tensor(COTANGENT * mask)))
            for mask in ([[1.0, 0.0]], [[0.0, 1.0]])
        ]

    differences = finite_differences(weighted, X)
    np.testing.assert_allclose(sum(parts).ravel(), differences, rtol=1e-7)
