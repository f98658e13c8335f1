"""Confidence intervals against resampling and closed forms."""

import numpy as np
import pytest
from scipy import stats

from keras_attn_defense.evaluation.confidence import accuracy_interval


@pytest.mark.parametrize("correct, total", [(30, 100), (400, 500), (1, 20)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_agrees_with_resampling(correct, total, confidence):
    sample = np.arange(total) < correct
    resampled = stats.bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=20000,
        method="percentile",
        rng=0,
    ).confidence_interval

    found = accuracy_interval(correct, total, confidence)
    # One image more or less, as quantiles of steps go.
    np.testing.assert_allclose(found, resampled, atol=1.001 / total)


def test_all_or_none_correct():
    # The chance of seeing no failure in 60 trials is 2.5 %.
    low, high = accuracy_interval(60, 60)
    assert high == 1.0
    assert low**60 == pytest.approx(0.025)
    assert accuracy_interval(0, 60) == pytest.approx((0.0, 1.0 - low))


def test_covers_as_often_as_promised():
    generator = np.random.default_rng(0)
    draws = generator.binomial(200, 0.7, size=2000)
    bounds = {k: accuracy_interval(int(k), 200) for k in set(draws)}
    covered = np.mean([bounds[k][0] <= 0.7 <= bounds[k][1] for k in draws])
    assert 0.93 < covered < 0.97
