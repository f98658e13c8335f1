"""Tests of the overlap of areas."""

import numpy as np
from keras import ops

from keras_attn_defense.attention import intersection_over_union
from tests.testing import to_numpy


def test_intersection_over_union():
    areas = np.zeros((5, 4, 4), "float32")
    others = np.zeros((5, 4, 4), "float32")
    areas[0, :2], others[0, 1:3] = 1, 1  # 4 of 12.
    areas[1, :2], others[1, 2:] = 1, 1  # Apart.
    areas[2, 1], others[2, 1] = 1, 1  # Equal.
    areas[3] = 1  # One of them empty; in the last, both are.

    actual = intersection_over_union(
        ops.convert_to_tensor(areas), ops.convert_to_tensor(others)
    )
    np.testing.assert_allclose(to_numpy(actual), [1 / 3, 0, 1, 0, 1])
