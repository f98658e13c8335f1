"""Tests of deviation: against SciPy and by hand."""

import numpy as np
import pytest
from scipy import ndimage
from scipy import stats

from keras_attn_defense.analysis import attention_deviation
from keras_attn_defense.analysis import attention_scatter
from keras_attn_defense.attention import AttentionMask


def test_random_maps():
    rng = np.random.default_rng(0)
    maps, others = rng.random((2, 5, 6, 8))
    others[1] = np.round(others[1], 1)  # With ties.

    actual = attention_deviation(maps, others)

    for index, (a, b) in enumerate(zip(maps, others, strict=True)):
        areas = a > a.mean(), b > b.mean()
        iou = (areas[0] & areas[1]).sum() / (areas[0] | areas[1]).sum()
        rank = stats.spearmanr(a.ravel(), b.ravel()).statistic
        shift = np.subtract(*map(ndimage.center_of_mass, (a, b)))
        np.testing.assert_allclose(actual.iou[index], iou, rtol=1e-6)
        np.testing.assert_allclose(actual.rank_correlation[index], rank)
        np.testing.assert_allclose(
            actual.centroid_shift[index], np.linalg.norm(shift) / 10
        )


def test_equal_opposite_and_constant_maps():
    ramp = np.arange(12.0).reshape(3, 4)
    constant = np.full((3, 4), 2.0)
    zero = np.zeros((3, 4))
    maps = np.stack([ramp, ramp, ramp, constant, zero])
    others = np.stack([ramp, 11 - ramp, constant, constant, zero])

    actual = attention_deviation(maps, others)

    np.testing.assert_allclose(actual.rank_correlation, [1, -1, 0, 1, 1])
    # A constant map has no area: two of them agree.
    np.testing.assert_allclose(actual.iou, [1, 0, 0, 1, 1])
    np.testing.assert_allclose(actual.centroid_shift[[0, 3, 4]], 0, atol=1e-12)
    assert actual.centroid_shift[1] > actual.centroid_shift[2] > 0


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7, 1 / 49])
@pytest.mark.parametrize("side", [7, 14, 32])
def test_rounding_of_constant_maps_does_not_decide(value, side):
    rng = np.random.default_rng(0)
    constant = np.full((1, side, side), value)
    rounded = constant * (1 + 1e-7 * rng.uniform(-1, 1, constant.shape))

    for other in (rounded, np.zeros_like(constant)):
        np.testing.assert_allclose(
            attention_deviation(constant, other), [[1], [1], [0]], atol=1e-12
        )
    assert attention_scatter(rounded).components == 0


def test_mask_tells_the_area():
    maps = np.array([[[1.0, 0.6, 0.3, 0.1]]])
    others = np.array([[[0.1, 0.6, 1.0, 0.3]]])
    mask = AttentionMask("maximum", 0.5)

    # Above half of the maximum: the first two, and the middle two.
    actual = attention_deviation(maps, others, mask)
    np.testing.assert_allclose(actual.iou, 1 / 3, rtol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="the same shape"):
        attention_deviation(np.ones((2, 4, 4)), np.ones((2, 5, 4)))
    with pytest.raises(ValueError, match="`maps_adv` should be finite"):
        attention_deviation(np.ones((2, 4, 4)), np.full((2, 4, 4), np.inf))
