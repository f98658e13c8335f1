"""Statistics of two groups of images, and shares with intervals."""

import math

import numpy as np
import scipy

#: Level of significance: differences of a smaller p-value count.
LEVEL = 0.05
# The normal approximation of the rank test is used if the smaller group is
# expected to have at least this many values that differ from the commonest.
_ENOUGH = 5


def compare_groups(values, chosen):
    """Compares the values of the chosen images with those of the others.

    Args:
        values: `(N,)`; NaN where a value is missing.
        chosen: `(N,)` of booleans.

    Returns:
        A dict: `n`, `mean` and `standard_error` of the `chosen` and of the
        `others`; their `difference` and its 95 % `interval` (Welch); the
        p-value `p` of the two-sided rank test of Mann and Whitney; `effect`,
        the probability that an image of the others has the larger value, ties
        counting half. Numbers that two groups of this size do not define are
        None.
    """
    known = ~np.isnan(values)
    first, second = values[known & chosen], values[known & ~chosen]
    groups = {"chosen": _statistics(first), "others": _statistics(second)}
    undefined = dict.fromkeys(("difference", "interval", "p", "effect"))
    if min(len(first), len(second)) < 2:
        return {**groups, **undefined}
    test = _rank_test(first, second)
    pairs = len(first) * len(second)
    difference = float(first.mean() - second.mean())
    margin = _welch_margin(first, second)
    return {
        **groups,
        "difference": difference,
        "interval": [difference - margin, difference + margin],
        "p": float(test.pvalue),
        # The test's statistic counts the pairs in which the first is larger.
        "effect": float(1 - test.statistic / pairs),
    }


def share(count, total):
    """Computes a share of images with its 95 % Wilson interval.

    Without images, both are None.
    """
    numbers = {"n": int(total), "count": int(count), "share": None}
    if not total:
        return {**numbers, "interval": None}
    interval = scipy.stats.binomtest(int(count), int(total)).proportion_ci(
        method="wilson"
    )
    low, high = float(interval.low), float(interval.high)
    return {**numbers, "share": float(count / total), "interval": [low, high]}


def compare_shares(happened, chosen):
    """Compares the shares of two groups of images to which something happened.

    Args:
        happened: `(N,)` of booleans.
        chosen: `(N,)` of booleans.

    Returns:
        A dict: the `share` of the `chosen` and of the `others`, and the
        two-sided p-value `p` of Fisher's exact test, None if one group is
        empty.
    """
    groups = happened[chosen], happened[~chosen]
    first, second = (share(group.sum(), len(group)) for group in groups)
    p = None
    if first["n"] and second["n"]:
        counts = [
            [each["count"], each["n"] - each["count"]]
            for each in (first, second)
        ]
        p = float(scipy.stats.fisher_exact(counts).pvalue)
    return {"chosen": first, "others": second, "p": p}


def verdict(comparison, sign):
    """Decides whether a comparison confirms an expectation.

    Args:
        comparison: The dict that `compare_groups` returned.
        sign: 1 if the chosen are expected to have the larger values, -1 if
            the smaller ones.

    Returns:
        `"holds"`, `"the opposite holds"` or `"cannot be told"`.
    """
    p, effect = comparison["p"], comparison["effect"]
    if p is None or not math.isfinite(p) or p >= LEVEL or effect == 0.5:
        return "cannot be told"
    # `effect` is the probability that the others are larger.
    larger = 1 if effect < 0.5 else -1
    return "holds" if larger == sign else "the opposite holds"


def _statistics(values):
    """Returns the mean and its standard error."""
    n = len(values)
    error = values.std(ddof=1) / math.sqrt(n) if n > 1 else None
    return {
        "n": n,
        "mean": float(values.mean()) if n else None,
        "standard_error": None if error is None else float(error),
    }


def _rank_test(first, second):
    """Runs the rank test of Mann and Whitney.

    Its normal approximation needs values that differ. Where nearly all are
    equal, as numbers of components often are, the p-value comes from random
    permutations.
    """
    # How often the commonest value occurs tells how many values differ.
    values = np.concatenate([first, second])
    common = np.unique(values, return_counts=True)[1].max()
    expected = min(len(first), len(second)) * (1 - common / len(values))
    method = "auto"
    if common > 1 and expected < _ENOUGH:
        method = scipy.stats.PermutationMethod(
            n_resamples=9999, batch=500, rng=0
        )
    return scipy.stats.mannwhitneyu(first, second, method=method)


def _welch_margin(first, second):
    """Returns half of the 95 % interval of a difference of means."""
    variances = [group.var(ddof=1) / len(group) for group in (first, second)]
    total = sum(variances)
    if total == 0:
        return 0.0
    # Welch and Satterthwaite's degrees of freedom.
    parts = [
        variance**2 / (len(group) - 1)
        for variance, group in zip(variances, (first, second), strict=True)
    ]
    quantile = scipy.stats.t.ppf(0.975, total**2 / sum(parts))
    return float(quantile * math.sqrt(total))
