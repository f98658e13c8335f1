"""Tests of Square's moves against plain loops over windows."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks.square_moves import PatternedSquares
from keras_attn_defense.attacks.square_moves import SignedSquares
from keras_attn_defense.attacks.square_moves import pattern
from keras_attn_defense.attacks.square_moves import sides
from tests.testing import to_numpy

SHAPE = (6, 11, 14, 3)
GENERATOR = np.random.default_rng(0)
CHANGE = GENERATOR.normal(size=SHAPE).astype("float32")
CHANGE[0] = 0.0
HALVED = np.array([0, 1, 2, 3, 4, 9], "int32")
DRAWS = {
    "corners": GENERATOR.uniform(size=(6, 2, 2)).astype("float32"),
    "signs": GENERATOR.uniform(size=(6, 3)).astype("float32"),
    "flip": np.array([0.1, 0.9, 0.8, 0.2, 0.7, 0.3], "float32"),
}


def move(moves, epsilon):
    draws = {k: ops.convert_to_tensor(v) for k, v in DRAWS.items()}
    change, halved = map(ops.convert_to_tensor, (CHANGE, HALVED))
    return to_numpy(moves.move(change, epsilon, halved, draws))


def windows(i, side):
    """The two windows of image `i`, as slices."""
    for corner in DRAWS["corners"][i]:
        first = np.floor(corner * (np.array(SHAPE[1:3]) - side + 1))
        top, left = first.astype(int)
        yield np.s_[top : top + side, left : left + side]


def signs(i):
    return np.where(DRAWS["signs"][i] < 0.5, -1, 1)


def test_signed_squares():
    actual = move(SignedSquares(0.8), 0.3)

    for i in range(6):
        side = sides(0.8, 11, 14)[HALVED[i]]
        expected = CHANGE[i].copy()
        expected[next(windows(i, side))] = 0.3 * signs(i)
        np.testing.assert_allclose(actual[i], expected, rtol=1e-6)


@pytest.mark.parametrize("power, epsilon", [(2, 30.0), (2, 5.0), (1, 400.0)])
def test_patterned_squares(power, epsilon):
    actual = move(PatternedSquares(0.8, power), epsilon)

    def size(values):
        return (abs(values) ** power).sum() ** (1 / power)

    for i in range(6):
        side = sides(0.8, 11, 14, patterned=True)[HALVED[i]]
        first, second = windows(i, side)
        eta = pattern(side, power)
        eta = eta.T if DRAWS["flip"][i] > 0.5 else eta
        old, expected = CHANGE[i].astype("float64"), CHANGE[i].copy()
        left = max(epsilon**power - size(old) ** power, 0.0) / 3
        union = np.zeros(SHAPE[1:3], bool)
        union[first] = union[second] = True
        expected[second] = 0.0
        for c in range(3):
            fresh = eta * signs(i)[c]
            fresh = fresh + old[first][..., c] / (
                1e-12 + size(old[first][..., c])
            )
            held = size(old[..., c][union]) ** power
            budget = (left + held) ** (1 / power) * (3 if power == 1 else 1)
            expected[first][..., c] = fresh / size(fresh) * budget
        if power == 2:
            expected *= epsilon / size(expected)
        np.testing.assert_allclose(actual[i], expected, rtol=1e-4, atol=1e-5)


def test_stripes():
    start = to_numpy(SignedSquares(0.8).start(SHAPE, 0.3, 1))

    assert start.shape == SHAPE
    np.testing.assert_allclose(abs(start), 0.3, rtol=1e-6)
    np.testing.assert_array_equal(start, start[:, :1].repeat(11, 1))
    assert 0.3 < (start[:, 0] > 0).mean() < 0.7


@pytest.mark.parametrize("shape", [SHAPE, (2, 14, 11, 1), (2, 4, 4, 1)])
def test_tiles(shape):
    start = to_numpy(PatternedSquares(0.8, 2).start(shape, 0.5, 1))

    assert start.shape == shape
    length = np.sqrt((start**2).sum((1, 2, 3)))
    np.testing.assert_allclose(length, 0.5, rtol=1e-5)
    side = max(min(shape[1:3]) // 5, 1)
    top, left = (length % side // 2 for length in shape[1:3])
    tile = start[0, top : top + side, left : left + side, 0]
    tile = tile / np.linalg.norm(tile)
    expected = pattern(side, 2)
    assert any(
        np.allclose(tile, sign * each, atol=1e-5)
        for sign in (1, -1)
        for each in (expected, expected.T)
    )
