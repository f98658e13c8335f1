"""Tests of compiled calls and loops."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense._backend import compiled
from keras_attn_defense._backend import differentiable
from keras_attn_defense._backend import is_traced
from keras_attn_defense._backend import repeat
from tests.testing import BACKEND
from tests.testing import gradient
from tests.testing import jitted
from tests.testing import to_numpy


def test_compiled_reads_and_writes_variables():
    weight = keras.Variable(2.0)
    counter = keras.Variable(0.0, trainable=False)

    def function(x):
        counter.assign(counter.value + 1.0)
        return x * weight.value

    call = compiled(function, [weight, counter])

    assert float(to_numpy(call(ops.convert_to_tensor(3.0)))) == 6.0
    weight.assign(5.0)
    assert float(to_numpy(call(ops.convert_to_tensor(3.0)))) == 15.0
    assert float(to_numpy(counter.value)) == 2.0
    assert float(to_numpy(weight.value)) == 5.0


def test_differentiable_by_the_caller():
    weight = keras.Variable(2.0)
    call = differentiable(lambda x: weight.value * x**3, [weight])

    for value in (2.0, 5.0):  # A kept program reads new values.
        weight.assign(value)
        assert float(to_numpy(call(ops.convert_to_tensor(3.0)))) == 27 * value
        (slope,) = gradient(call, np.float32(3.0))
        assert float(slope) == 27 * value


def test_compiled_draws_new_noise_each_time():
    generator = keras.random.SeedGenerator(0)
    call = compiled(
        lambda: keras.random.uniform((4,), seed=generator), [generator.state]
    )

    first, second = to_numpy(call()), to_numpy(call())

    assert not np.array_equal(first, second)
    assert to_numpy(generator.state.value).tolist() == [0, 2]


def test_compiled_traces_once():
    traces = []

    def function(x):
        traces.append(is_traced(x))
        return x + 1.0

    call = compiled(function, [])
    for value in (1.0, 2.0, 3.0):
        assert float(to_numpy(call(ops.convert_to_tensor(value)))) == value + 1

    assert traces == ([False] * 3 if BACKEND == "torch" else [True])


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("compile_it", [False, True])
def test_repeat(steps, compile_it):
    def body(i, state):
        x, (total,) = state
        return x * 2.0, (total + x,)

    def function(x):
        return repeat(steps, body, (x, (ops.zeros_like(x),)))

    call = jitted(function) if compile_it else function
    x, (total,) = call(ops.convert_to_tensor([1.0, 3.0]))

    np.testing.assert_array_equal(to_numpy(x), np.array([1, 3]) * 2.0**steps)
    expected = np.array([1, 3]) * (2.0**steps - 1)
    np.testing.assert_array_equal(to_numpy(total), expected)


def test_is_traced():
    assert not is_traced(np.zeros(2))
    assert not is_traced(ops.zeros(2))
    assert not is_traced([1, 2])
