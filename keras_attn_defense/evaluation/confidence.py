"""Confidence intervals of shares, and of differences between paired shares."""

from typing import NamedTuple

import numpy as np
import scipy


def accuracy_interval(correct, total, confidence=0.95):
    """Computes the exact (Clopper-Pearson) interval of an accuracy.

    It covers the true share with at least the given probability, whatever the
    share and the number of images are; close to 0 and 1, with more. Both ends
    grow with the number of correct images.

    Args:
        correct: The number of images classified correctly.
        total: The number of images, at least one.
        confidence: The probability to cover, between 0 and 1.

    Returns:
        `(low, high)`, shares between 0 and 1.

    Reference:
        [Clopper and Pearson, 1934](https://doi.org/10.1093/biomet/26.4.404).
    """
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    # The share at which so many correct images, or more, are that unlikely;
    # and so few, or fewer.
    if correct > 0:
        low = scipy.special.betaincinv(correct, total - correct + 1, tail)
    if correct < total:
        high = scipy.special.betaincinv(correct + 1, total - correct, 1 - tail)
    return float(low), float(high)


class PairedDifference(NamedTuple):
    """The difference of two models' accuracies on the same images.

    Args:
        difference: The first accuracy minus the second.
        interval: Its confidence interval `(low, high)`, exact given the
            number of images on which the models differ.
        p_value: McNemar's exact test of equal accuracies.
        only_first: Number of images that only the first model has right.
        only_second: Number of images that only the second model has right.

    Example:

    ```python
    first = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    comparison = kad.evaluation.compare([first, first])
    assert comparison.pairs[0].result.only_first == 0
    ```

    Reference:
        [McNemar, 1947](https://doi.org/10.1007/BF02295996).
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    only_first: int
    only_second: int


def paired_difference(first, second, confidence=0.95):
    """Compares two models on the same images.

    Images on which both are right, or both wrong, say nothing about which is
    better; of the others, each side has half if the accuracies are equal.

    Args:
        first: Which images the first model has right, a mask `(N,)`.
        second: The same images' mask of the second model.
        confidence: The probability that the interval covers, from 0 to 1.

    Returns:
        A `PairedDifference`.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    discordant, total = only_first + only_second, len(first)
    difference = (only_first - only_second) / total
    if not discordant:
        # Nothing was seen to differ: at most as many as the exact interval
        # of a share of zero allows could, and on either side.
        bound = accuracy_interval(0, total, confidence)[1]
        return PairedDifference(0.0, (-bound, bound), 1.0, 0, 0)
    # The first model has a share s, from 0 to 1, of the images on which they
    # differ. On these the difference is 2 s - 1, and on all images `scale`
    # times that.
    low, high = accuracy_interval(only_first, discordant, confidence)
    scale = discordant / total
    return PairedDifference(
        difference,
        (scale * (2 * low - 1), scale * (2 * high - 1)),
        float(scipy.stats.binomtest(only_first, discordant, 0.5).pvalue),
        only_first,
        only_second,
    )


def check_confidence(confidence):
    """Returns a probability between 0 and 1."""
    number = isinstance(confidence, (float, np.floating))
    if not number or not 0 < confidence < 1:
        raise ValueError(
            "`confidence` should be a number between 0 and 1, such as 0.95. "
            f"Received: confidence={confidence!r}"
        )
    return float(confidence)
