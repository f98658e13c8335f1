"""Two groups of images compared, and shares with intervals."""

import math

import numpy as np
import scipy

#: A difference this improbable by chance is called one.
LEVEL = 0.05
# Expected number, in the smaller group, of values that are not the common one.
_ENOUGH = 5


def compare_groups(values, chosen):
    """Compares the values of the chosen images with those of the others.

    Args:
        values: `(N,)`; NaN where there is none.
        chosen: `(N,)` of booleans.

    Returns:
        A dict: `n`, `mean` and `standard_error` of the `chosen` and of the
        `others`; their `difference` and its 95 % `interval` (Welch); `p`, of
        the two-sided rank test of Mann and Whitney; `effect`, the probability
        that an image of the others has the larger value, ties counting half.
        None stands for what two groups of this size do not tell.
    """
    known = ~np.isnan(values)
    first, second = values[known & chosen], values[known & ~chosen]
    found = {"chosen": _described(first), "others": _described(second)}
    blank = dict.fromkeys(("difference", "interval", "p", "effect"))
    if min(len(first), len(second)) < 2:
        return {**found, **blank}
    test = _rank_test(first, second)
    pairs = len(first) * len(second)
    difference = float(first.mean() - second.mean())
    margin = _welch_margin(first, second, scipy.stats.t)
    return {
        **found,
        "difference": difference,
        "interval": [difference - margin, difference + margin],
        "p": float(test.pvalue),
        "effect": float(1 - test.statistic / pairs),
    }


def share(count, total):
    """A share of images with its Wilson interval; None of none."""
    found = {"n": int(total), "count": int(count), "share": None}
    if not total:
        return {**found, "interval": None}
    interval = scipy.stats.binomtest(int(count), int(total)).proportion_ci(
        method="wilson"
    )
    low, high = float(interval.low), float(interval.high)
    return {**found, "share": float(count / total), "interval": [low, high]}


def compare_shares(happened, chosen):
    """Compares how often something happened to the chosen and to the others.

    Args:
        happened: `(N,)` of booleans.
        chosen: `(N,)` of booleans.

    Returns:
        A dict: the `share` of the `chosen` and of the `others`, and `p`, of
        Fisher's exact test, two-sided; None if one group is empty.
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
    """Whether a comparison bears out what was expected.

    Args:
        comparison: What `compare_groups` returned.
        sign: 1 if the chosen are expected to have the larger values, -1 if
            the smaller ones.

    Returns:
        `"holds"`, `"the opposite holds"` or `"cannot be told"`.
    """
    p, effect = comparison["p"], comparison["effect"]
    if p is None or not math.isfinite(p) or p >= LEVEL or effect == 0.5:
        return "cannot be told"
    larger = 1 if effect < 0.5 else -1
    return "holds" if larger == sign else "the opposite holds"


def _described(values):
    n = len(values)
    error = values.std(ddof=1) / math.sqrt(n) if n > 1 else None
    return {
        "n": n,
        "mean": float(values.mean()) if n else None,
        "standard_error": None if error is None else float(error),
    }


def _rank_test(first, second):
    """The test of Mann and Whitney.

    Its normal approximation needs values that differ: where nearly all are
    equal, as numbers of parts are, random permutations tell the chances.
    """
    values = np.concatenate([first, second])
    common = np.unique(values, return_counts=True)[1].max()
    expected = min(len(first), len(second)) * (1 - common / len(values))
    method = "auto"
    if common > 1 and expected < _ENOUGH:
        method = scipy.stats.PermutationMethod(
            n_resamples=9999, batch=500, rng=0
        )
    return scipy.stats.mannwhitneyu(first, second, method=method)


def _welch_margin(first, second, student):
    """Half of the 95 % interval of a difference of means."""
    variances = [group.var(ddof=1) / len(group) for group in (first, second)]
    total = sum(variances)
    if total == 0:
        return 0.0
    parts = [
        variance**2 / (len(group) - 1)
        for variance, group in zip(variances, (first, second), strict=True)
    ]
    return float(student.ppf(0.975, total**2 / sum(parts)) * math.sqrt(total))
