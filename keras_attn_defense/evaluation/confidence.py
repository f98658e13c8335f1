"""Confidence intervals of a share of images."""

import scipy


def accuracy_interval(correct, total, confidence=0.95):
    """The bootstrap percentile interval of an accuracy.

    The accuracy of images drawn again with replacement is a binomial number
    over `total`, so its quantiles are known without drawing: no seed, and as
    many resamples as one likes. Where all images or none are correct,
    resampling shows no spread at all, and the exact interval of Clopper and
    Pearson, which does not rely on it, is given instead.

    Args:
        correct: The number of images classified correctly.
        total: The number of images, at least one.
        confidence: The probability to cover, between 0 and 1.

    Returns:
        `(low, high)`, shares between 0 and 1.

    Reference:
        [Efron and Tibshirani, 1993](https://doi.org/10.1201/9780429246593),
        chapter 13.
    """
    if correct in (0, total):
        exact = scipy.stats.binomtest(correct, total).proportion_ci(confidence)
        return float(exact.low), float(exact.high)
    tail = (1 - confidence) / 2
    resampled = scipy.stats.binom(total, correct / total)
    low, high = resampled.ppf([tail, 1 - tail]) / total
    return float(low), float(high)


def check_confidence(confidence):
    """Returns a probability between 0 and 1."""
    if not isinstance(confidence, float) or not 0 < confidence < 1:
        raise ValueError(
            "`confidence` should be a number between 0 and 1, such as 0.95. "
            f"Received: confidence={confidence!r}"
        )
    return confidence
