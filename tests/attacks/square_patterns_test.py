"""Tests of the patterns of Square."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import square_moves as patterns
from tests.testing import to_numpy


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("side", [1, 2, 3, 5, 6, 21, 29])
def test_norm_and_signs(side, power):
    pattern = patterns.pattern(side, power)

    np.testing.assert_allclose((abs(pattern) ** power).sum(), 1.0, rtol=1e-5)
    assert (pattern[: side // 2] > 0).all()
    assert (pattern[side // 2 :] < 0).all()
    np.testing.assert_array_equal(
        pattern, pattern[:, ::-1] if side % 2 else pattern
    )


def test_pattern_by_hand():
    # Upper half, 1x3: rings 0 and 1 around (0, 1), adding 1 and 1/4, to
    # lengths of one; lower half, 2x3: the same around (1, 1).
    upper = np.array([[0.25, 1.25, 0.25]])
    lower = np.array([[0.25, 0.25, 0.25], [0.25, 1.25, 0.25]])
    halves = [half / np.linalg.norm(half) for half in (upper, -lower)]

    actual = patterns.pattern(3, 2)
    np.testing.assert_allclose(
        actual, np.concatenate(halves) / np.sqrt(2), rtol=1e-6
    )


@pytest.mark.backend("torch")
@pytest.mark.parametrize("norm, power", [("L2", 2), ("L1", 1)])
def test_reference(norm, power):
    square = pytest.importorskip("pyautoattack.square")
    oracle = square.SquareAttack(None, norm=norm, device="cpu")

    for side in (1, 2, 3, 4, 5, 6, 7, 11, 15, 21, 29, 44):
        expected = to_numpy(oracle.eta(side))
        actual = patterns.pattern(side, power)
        if expected[0].min() < 0 and side > 1:  # Half of them are transposed.
            expected = expected.T
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_placed():
    sides = np.array([5, 3])
    table = patterns.pattern_table(sides, 2)
    number = np.array([0, 1, 1], "int32")
    corners = np.array([[1, 2], [0, 4], [3, 0]], "int32")
    flip = np.array([False, False, True])
    rows = np.arange(6)[None, :, None] - corners[:, 0, None, None]
    columns = np.arange(7)[None, None, :] - corners[:, 1, None, None]

    actual = to_numpy(
        patterns.placed(
            table,
            *(
                ops.convert_to_tensor(value)
                for value in (number, rows.astype("int32"))
            ),
            ops.convert_to_tensor(columns.astype("int32")),
            ops.convert_to_tensor(flip),
        )
    )
    assert actual.shape == (3, 6, 7)
    for i, (top, left) in enumerate(corners):
        side = sides[number[i]]
        expected = patterns.pattern(side, 2)
        expected = expected.T if flip[i] else expected
        window = actual[i, top : top + side, left : left + side]
        np.testing.assert_array_equal(window, expected)
