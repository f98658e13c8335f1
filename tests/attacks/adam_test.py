"""Tests of Adam for images against Keras' optimizer."""

import keras
import numpy as np
from keras import ops

from keras_attn_defense.attacks.carlini_wagner import adam_start
from keras_attn_defense.attacks.carlini_wagner import adam_step
from tests.testing import to_numpy

GRADIENTS = np.random.default_rng(0).normal(size=(5, 2, 2, 2, 1))
GRADIENTS = GRADIENTS.astype("float32")


def test_same_as_keras():
    x = ops.ones((2, 2, 2, 1))
    variable = keras.Variable(x)
    optimizer = keras.optimizers.Adam(0.1, epsilon=1e-8)
    state = adam_start(x)

    for number, gradient in enumerate(GRADIENTS, start=1):
        gradient = ops.convert_to_tensor(gradient)
        numbers = ops.full((2,), number, dtype="int32")
        change, state = adam_step(state, gradient, numbers, 0.1)
        x = x - change
        optimizer.apply([gradient], [variable])

        np.testing.assert_allclose(
            to_numpy(x), to_numpy(variable.value), rtol=1e-4
        )


def test_each_image_has_its_own_count():
    # The second image begins one step later.
    state = adam_start(ops.zeros((2, 2, 2, 1)))
    changes = []
    for numbers, gradient in (([1, 1], GRADIENTS[0]), ([2, 1], GRADIENTS[1])):
        gradient = ops.convert_to_tensor(gradient)
        before, state = state, dict(state)
        change, state = adam_step(
            before, gradient, ops.convert_to_tensor(numbers, "int32"), 0.1
        )
        if numbers == [1, 1]:
            rows = ops.convert_to_tensor([1.0, 0.0])[:, None, None, None]
            state = {name: value * rows for name, value in state.items()}
        changes.append(to_numpy(change))

    # The first step of Adam is the learning rate along the sign.
    expected = 0.1 * np.sign(GRADIENTS[1][1])
    np.testing.assert_allclose(changes[1][1], expected, rtol=1e-3)
    assert abs(changes[1][0] - 0.1 * np.sign(GRADIENTS[1][0])).max() > 0.01
