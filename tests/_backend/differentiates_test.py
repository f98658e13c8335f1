"""Gradients are noticed however they are asked for."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense._backend import differentiates
from keras_attn_defense._backend import vjp
from tests.testing import BACKEND


def ways():
    """Functions of a tensor that take a gradient, by name."""

    def square(x):
        return ops.sum(ops.square(x))

    yield "vjp", lambda x: vjp(square, x)[1](ops.ones(()))
    if BACKEND == "jax":
        import jax

        early = jax.jit(jax.grad(square))
        yield "grad", jax.grad(square)
        yield "compiled", early
        yield "jacrev", jax.jacrev(ops.square)
        yield "jvp", lambda x: jax.jvp(square, (x,), (x,))
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        def tape(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = square(x)
            return tape.gradient(y, x)

        yield "tape", tape
        yield "compiled", tf.function(tape)
    else:
        import torch

        yield "func", torch.func.grad(square)

        def backward(x):
            x = x.clone().requires_grad_()
            square(x).backward()
            return x.grad

        yield "backward", backward


WAYS = dict(ways())


@pytest.mark.parametrize("name", sorted(WAYS))
def test_gradients_are_noticed(name):
    way = WAYS[name]
    x = ops.convert_to_tensor(np.ones(3, "float32"))
    way(x)  # Compiled before, so that nothing is traced later.
    assert differentiates(lambda: way(x))


def test_nothing_is_noticed_without():
    x = ops.convert_to_tensor(np.ones((2, 3), "float32"))
    assert not differentiates(lambda: ops.softmax(ops.relu(x)))


def test_an_error_leaves_nothing_behind():
    def fails():
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        differentiates(fails)
    x = ops.convert_to_tensor(np.ones(3, "float32"))
    assert not differentiates(lambda: ops.square(x))
