"""The page of several models side by side."""

import collections
from collections.abc import Sequence
from typing import Any

import numpy as np

from .chart import Chart
from .chart import Curve
from .chart import Point
from .gallery_cards import compared_cards
from .names import ClassNames
from .names import largest_class
from .page import interval
from .page import percent
from .page import render

#: Tables of who withstood what are no longer than this.
_MOST_PATTERNS = 16


def comparison_page(
    comparison: Any, class_names: Sequence[str] | None = None
) -> str:
    """Returns the page of a comparison.

    Args:
        comparison: The `Comparison`.
        class_names: Names of the classes, or None.
    """
    label = comparison.threat_model.label
    reports = comparison.reports
    names = ClassNames(
        class_names, 1 + max(map(largest_class, reports), default=0)
    )
    return render(
        "comparison.html",
        title=f"Robustness of {len(comparison.rows)} models",
        data=comparison.title,
        rows=comparison.rows,
        best=comparison.rows[0],
        models=[row["name"] for row in comparison.rows],
        largest=comparison.epsilons[-1],
        norm=comparison.threat_model.norm,
        label=label,
        confidence=f"{100 * comparison.confidence:g} %",
        epsilons=[label(epsilon) for epsilon in comparison.epsilons],
        radii=comparison.epsilons,
        sentences=[*_sentences(comparison)],
        chart=_chart(comparison),
        pairs=comparison.pairs,
        patterns=_patterns(comparison),
        gallery=compared_cards(reports, comparison.epsilons, names),
    )


def points(difference):
    """Writes a difference of shares as `+12.3 points`."""
    return f"{100 * difference:+.1f} points"


def _sentences(comparison):
    """Compares the best model with each other one at the largest epsilon."""
    largest, best = comparison.epsilons[-1], comparison.rows[0]["name"]
    for pair in comparison.pairs:
        if (pair.first, pair.epsilon) != (best, largest):
            continue
        low, high = pair.result.interval
        told = "is ahead of" if low > 0 else "cannot be told apart from"
        yield (
            f"On the same images {best} {told} {pair.second}: "
            f"{points(pair.result.difference)} ({100 * low:+.1f} to "
            f"{100 * high:+.1f}, p = {pair.result.p_value:.2g})."
        )


def _chart(comparison):
    label = comparison.threat_model.label
    return Chart(
        "Accuracy in the worst case against epsilon, for each model. The table "
        "below has the numbers.",
        [
            Curve(
                row["name"],
                [
                    _point(0.0, row["clean_accuracy"], row["clean_interval"]),
                    *(
                        _point(e, row["robust_accuracy"][e], row["interval"][e])
                        for e in comparison.epsilons
                    ),
                ],
            )
            for row in comparison.rows
        ],
        [(0.0, "clean"), *((e, label(e)) for e in comparison.epsilons)],
        f"epsilon ({comparison.threat_model.norm})",
        "accuracy in %",
        (0, 100),
    )


def _point(epsilon, accuracy, bounds):
    return Point(
        epsilon,
        100 * accuracy,
        tuple(100 * bound for bound in bounds),
        f"{percent(accuracy)} ({interval(bounds)})",
    )


def _patterns(comparison):
    """For each radius, how many images each set of models withstands."""
    tables = []
    for epsilon in (0.0, *comparison.epsilons):
        masks = [
            each[epsilon] for each in comparison.outcomes if epsilon in each
        ]
        if len(masks) < len(comparison.rows) or len(masks) < 2:
            continue
        # A tuple for each image, which models withstand: equal tuples are
        # counted.
        counts = collections.Counter(map(tuple, np.transpose(masks).tolist()))
        tables.append(
            {
                "epsilon": epsilon,
                "rows": [
                    {
                        "held": held,
                        "count": count,
                        "share": count / len(masks[0]),
                    }
                    for held, count in counts.most_common(_MOST_PATTERNS)
                ],
                "left_out": max(len(counts) - _MOST_PATTERNS, 0),
            }
        )
    return tables
