"""Tests of the comparison of two groups."""

import numpy as np
import pytest
from scipy import stats

from keras_attn_defense.analysis.groups import compare_groups
from keras_attn_defense.analysis.groups import compare_shares
from keras_attn_defense.analysis.groups import share
from keras_attn_defense.analysis.groups import verdict

pytestmark = pytest.mark.once


def test_against_scipy_and_pairs():
    rng = np.random.default_rng(0)
    values = np.round(rng.random(40), 1)
    values[3] = np.nan
    chosen = rng.random(40) < 0.4
    a, b = (values[g & ~np.isnan(values)] for g in (chosen, ~chosen))

    actual = compare_groups(values, chosen)

    assert actual["chosen"]["n"] == len(a) and actual["others"]["n"] == len(b)
    assert actual["others"]["mean"] == pytest.approx(b.mean())
    assert actual["chosen"]["standard_error"] == pytest.approx(stats.sem(a))
    assert actual["difference"] == pytest.approx(a.mean() - b.mean())
    larger = (b[:, None] > a) + 0.5 * (b[:, None] == a)
    assert actual["effect"] == pytest.approx(larger.mean())
    assert actual["p"] == pytest.approx(stats.mannwhitneyu(b, a).pvalue)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert actual["interval"] == pytest.approx([welch.low, welch.high])


def test_few_values_that_differ():
    values, chosen = np.zeros(984), np.arange(984) < 12
    values[[0, 1, 500]] = 1.0

    actual = compare_groups(values, chosen)["p"]

    # Of three values above zero, two or three are among the twelve.
    expected = 2 * stats.hypergeom(984, 3, 12).sf(1)
    assert 1e-4 < expected / 3 < actual < 3 * expected
    # The normal approximation is wrong by many orders of magnitude.
    assert stats.mannwhitneyu(values[chosen], values[~chosen]).pvalue < 1e-15


def test_groups_too_small_to_tell():
    actual = compare_groups(
        np.array([1.0, 2, 3]), np.array([True] + [False] * 2)
    )

    assert actual["p"] is None and actual["chosen"]["mean"] == 1.0
    assert verdict(actual, 1) == "cannot be told"
    empty = compare_groups(np.array([1.0, 2]), np.array([False, False]))
    assert empty["chosen"] == {"n": 0, "mean": None, "standard_error": None}


@pytest.mark.parametrize("sign", [1, -1])
def test_verdicts(sign):
    values = sign * np.arange(20.0)
    chosen = np.arange(20) >= 10

    assert verdict(compare_groups(values, chosen), sign) == "holds"
    assert (
        verdict(compare_groups(values, ~chosen), sign) == "the opposite holds"
    )
    even = compare_groups(values, np.arange(20) % 2 == 0)
    assert verdict(even, sign) == "cannot be told"
    constant = compare_groups(np.ones(20), chosen)
    assert verdict(constant, sign) == "cannot be told"
    assert constant["interval"] == [0, 0]


def test_share():
    actual = share(3, 10)

    # Wilson's interval, by its formula.
    z, p, n = 1.959964, 0.3, 10
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
    np.testing.assert_allclose(
        actual["interval"], [center - half, center + half], rtol=1e-5
    )
    assert actual["share"] == 0.3
    assert share(0, 0)["share"] is None


def test_compare_shares():
    happened = np.arange(20) < 9
    chosen = (np.arange(20) < 7) | (np.arange(20) == 15)

    actual = compare_shares(happened, chosen)

    assert actual["chosen"] == share(7, 8)
    assert actual["others"] == share(2, 12)
    # Of the ways to draw 8 of 20, those with as few or fewer chances.
    chances = stats.hypergeom(20, 9, 8).pmf(np.arange(9))
    expected = chances[chances <= chances[7] * (1 + 1e-9)].sum()
    assert actual["p"] == pytest.approx(expected)
    assert compare_shares(happened, happened | True)["p"] is None
