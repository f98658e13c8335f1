"""Tests of the sizes and places of Square's windows."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import square_moves as windows
from tests.testing import to_numpy

# As published: the first query of each period, for 10,000 queries.
FIRST_QUERIES = [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]


def test_published_schedule():
    first = np.array(FIRST_QUERIES, "int32")
    last = np.append(first[1:] - 1, 9999).astype("int32")

    for count in (first, last):
        actual = windows.halvings(ops.convert_to_tensor(count))
        np.testing.assert_array_equal(to_numpy(actual), np.arange(10))


def test_rescaled_schedule():
    count = np.arange(500, dtype="int32")

    actual = windows.halvings(ops.convert_to_tensor(count), 500)
    # Each query stands for twenty.
    expected = np.searchsorted(FIRST_QUERIES, 20 * count, side="right") - 1
    np.testing.assert_array_equal(to_numpy(actual), expected)


def test_sides_of_a_cifar_image():
    # sqrt(0.8 * 1024) = 28.6, and so on down to sqrt(1.6).
    np.testing.assert_array_equal(
        windows.sides(0.8, 32, 32), [29, 20, 14, 10, 7, 5, 4, 3, 2, 1]
    )
    np.testing.assert_array_equal(
        windows.sides(0.8, 32, 32, patterned=True),
        [29, 21, 15, 11, 7, 5, 5, 3, 3, 3],
    )


def test_sides_fit_the_image():
    assert windows.sides(1.0, 6, 40).max() == 6
    assert windows.sides(1e-3, 6, 40).min() == 1
    assert windows.sides(1.0, 2, 2, patterned=True).max() == 2


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
def test_places(shape):
    generator = np.random.default_rng(0)
    side = np.array([1, 2, 3, 4, 5] * 20, "int32")
    corner = generator.uniform(size=(100, 2)).astype("float32")
    corner[:5], corner[5:10] = 0.0, 1 - 2.0**-24  # All that may be drawn.

    rows, columns = windows.offsets(
        ops.convert_to_tensor(corner), ops.convert_to_tensor(side), *shape
    )
    mask = to_numpy(windows.inside(rows, columns, ops.convert_to_tensor(side)))
    assert mask.shape == (100, *shape)
    for i in range(100):
        first = np.floor(corner[i] * (np.array(shape) - side[i] + 1))
        top, left = first.astype(int)
        expected = np.zeros(shape, bool)
        expected[top : top + side[i], left : left + side[i]] = True
        np.testing.assert_array_equal(mask[i], expected)
        assert mask[i].sum() == side[i] ** 2  # It lies inside the image.
    # Both borders are reached.
    assert mask[5:10, -1, -1].all() and mask[:5, 0, 0].all()
