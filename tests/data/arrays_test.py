"""Tests of conversions to NumPy arrays."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.data import to_numpy


@pytest.mark.parametrize(
    "given",
    [
        np.array([[1.0, 2.0]], "float32"),
        [[1.0, 2.0]],
        ops.convert_to_tensor([[1.0, 2.0]]),
        [ops.convert_to_tensor([1.0, 2.0])],
        keras.Variable([[1.0, 2.0]]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_array_becomes_numpy(given):
    found = to_numpy(given)

    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, [[1.0, 2.0]])


def test_tensor_with_gradient_of_any_backend():
    torch = pytest.importorskip("torch")
    found = to_numpy(torch.ones(3, requires_grad=True))

    np.testing.assert_array_equal(found, np.ones(3))
