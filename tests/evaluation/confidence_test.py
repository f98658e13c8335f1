"""Confidence intervals against exact sums, SciPy and tables by hand."""

import numpy as np
import pytest
from scipy import stats

from keras_attn_defense.evaluation.confidence import accuracy_interval
from keras_attn_defense.evaluation.confidence import paired_difference

pytestmark = pytest.mark.once

SIZES = [16, 64, 256, 1000, 10000]


@pytest.mark.parametrize("correct, total", [(30, 100), (400, 500), (1, 20)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_agrees_with_scipy(correct, total, confidence):
    exact = stats.binomtest(correct, total).proportion_ci(confidence)
    found = accuracy_interval(correct, total, confidence)
    np.testing.assert_allclose(found, (exact.low, exact.high), rtol=1e-6)


def test_all_or_none_correct():
    # The chance of seeing no failure in 60 trials is 2.5 %.
    low, high = accuracy_interval(60, 60)
    assert high == 1.0
    assert low**60 == pytest.approx(0.025)
    assert accuracy_interval(0, 60) == pytest.approx((0.0, 1.0 - low))


def test_one_error_is_not_none():
    assert accuracy_interval(255, 256)[1] < 1.0
    assert accuracy_interval(1, 256)[0] > 0.0


@pytest.mark.parametrize("total", SIZES)
def test_more_correct_images_never_lower_a_bound(total):
    bounds = np.array([accuracy_interval(k, total) for k in counts(total)])
    assert (np.diff(bounds, axis=0) > 0).all()
    np.testing.assert_allclose(bounds, 1 - bounds[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize("total", SIZES)
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_covers_every_share_as_often_as_promised(total, confidence):
    """By exact binomial sums, also where the coverage is lowest.

    Coverage drops where a share passes an end of an interval, so shares on
    both sides of each end are the hardest.
    """
    some = counts(total)
    bounds = np.array([accuracy_interval(k, total, confidence) for k in some])
    ends = np.unique(bounds[(bounds > 0) & (bounds < 1)])
    shares = np.concatenate([ends * (1 - 1e-9), ends * (1 + 1e-9)])
    shares = shares[shares < 1]
    # The intervals that hold a share are those of neighboring counts.
    every = np.arange(total + 1)
    lows, highs = np.array(
        [accuracy_interval(k, total, confidence) for k in every]
    ).T
    first = np.searchsorted(highs, shares)
    last = np.searchsorted(lows, shares, side="right") - 1
    coverage = stats.binom.cdf(last, total, shares) - stats.binom.cdf(
        first - 1, total, shares
    )
    assert coverage.min() >= confidence - 1e-6
    # No wider than that takes: in the middle, where steps are small.
    middle = abs(shares - 0.5) < 0.3
    if total >= 1000:
        assert coverage[middle].mean() < confidence + 0.01


def counts(total):
    """All counts, or a thousand that reach both ends."""
    if total <= 1000:
        return np.arange(total + 1)
    return np.unique(np.linspace(0, total, 1001).round().astype(int))


def masks(both, only_first, only_second, neither):
    kinds = [(1, 1), (1, 0), (0, 1), (0, 0)]
    counts = [both, only_first, only_second, neither]
    return np.repeat(np.array(kinds, bool), counts, axis=0).T


def test_paired_difference_by_hand():
    # Eight images tell the models apart, seven of them for the first.
    found = paired_difference(*masks(60, 7, 1, 32))
    assert found.difference == pytest.approx(0.06)
    # Two tails of a fair coin: 0, 1, 7 or 8 heads of 8.
    assert found.p_value == pytest.approx(2 * (1 + 8) / 2**8)
    low, high = stats.binomtest(7, 8).proportion_ci()
    expected = (0.08 * (2 * low - 1), 0.08 * (2 * high - 1))
    assert found.interval == pytest.approx(expected, rel=1e-6)
    assert (found.only_first, found.only_second) == (7, 1)

    other = paired_difference(*masks(60, 1, 7, 32))
    assert other.difference == -found.difference
    assert other.interval == pytest.approx(
        (-found.interval[1], -found.interval[0])
    )
    assert other.p_value == pytest.approx(found.p_value)


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_paired_interval_of_another_confidence(confidence):
    found = paired_difference(*masks(60, 7, 1, 32), confidence)
    low, high = stats.binomtest(7, 8).proportion_ci(confidence)
    expected = (0.08 * (2 * low - 1), 0.08 * (2 * high - 1))
    assert found.interval == pytest.approx(expected, rel=1e-6)

    equal = paired_difference(*masks(5, 0, 0, 55), confidence)
    assert equal.interval[1] == accuracy_interval(0, 60, confidence)[1]


def test_models_that_never_differ():
    found = paired_difference(*masks(5, 0, 0, 55))
    assert (found.difference, found.p_value) == (0.0, 1.0)
    bound = accuracy_interval(0, 60)[1]
    assert found.interval == (-bound, bound)


def test_paired_interval_covers():
    generator = np.random.default_rng(0)
    chances = np.array([0.4, 0.15, 0.1, 0.35])
    true = chances[1] - chances[2]
    covered = 0
    for _ in range(400):
        found = paired_difference(*masks(*generator.multinomial(80, chances)))
        covered += found.interval[0] <= true <= found.interval[1]
    assert covered / 400 >= 0.93
