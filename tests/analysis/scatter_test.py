"""Tests of scatter: components, entropy and spread by hand."""

import numpy as np

from keras_attn_defense.analysis import attention_scatter
from keras_attn_defense.attention import AttentionMask


def test_known_maps():
    point, pair, diagonal, corners = np.zeros((4, 5, 5))
    point[2, 3] = 0.7
    pair[0, 0] = pair[0, 4] = 0.5
    diagonal[1, 1] = diagonal[2, 2] = 3.0  # Touching at a corner.
    corners[[0, 0, -1, -1], [0, -1, 0, -1]] = 1.0

    actual = attention_scatter(np.stack([point, pair, diagonal, corners]))

    np.testing.assert_array_equal(actual.components, [1, 2, 1, 4])
    count = np.array([1, 2, 2, 4])
    np.testing.assert_allclose(
        actual.entropy, np.log(count) / np.log(25), atol=1e-12
    )
    distance = np.array([0, 2, np.sqrt(0.5), np.sqrt(8)])
    np.testing.assert_allclose(
        actual.spread, distance / np.sqrt(50), atol=1e-12
    )


def test_constant_and_negative_maps_are_spread_evenly():
    maps = np.stack([np.ones((4, 3)), np.zeros((4, 3)), np.full((4, 3), -2.0)])

    actual = attention_scatter(maps)

    np.testing.assert_array_equal(actual.components, 0)
    np.testing.assert_allclose(actual.entropy, 1.0)
    # Variances of 4 and 3 equal steps: 15/12 + 8/12.
    np.testing.assert_allclose(actual.spread, np.sqrt(23 / 12) / 5)


def test_negative_values_do_not_count():
    maps = np.array([[[2.0, -3.0, 2.0]]])

    actual = attention_scatter(maps, AttentionMask("maximum", 0.5))

    np.testing.assert_array_equal(actual.components, 2)
    np.testing.assert_allclose(actual.entropy, np.log(2) / np.log(3))


def test_one_position():
    actual = attention_scatter(np.full((1, 1, 1), 0.3))

    assert (actual.entropy, actual.spread, actual.components) == (0, 0, 0)
