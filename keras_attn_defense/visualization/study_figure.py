"""Figures of attention studies."""

from typing import Any

import numpy as np

from .._typing import Figure
from .style import RIGHT
from .style import WRONG
from .style import add_legend
from .style import curve_name
from .style import label_axes
from .style import new_figure

_GROUPS = (
    ("chosen", "attack succeeded", WRONG),
    ("others", "attack failed", RIGHT),
)
_BINS = np.linspace(0, 1, 21)


def study_figure(result: Any) -> Figure:
    """Draws a study of attention.

    The panels show completeness, attack success by completeness, and how the
    attention changes along the attack.

    Args:
        result: The `StudyResult` that `kad.analysis.AttentionStudy.run` or
            `kad.analysis.load_study` returned.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    kad.visualization.study_figure(result).savefig("study.png")
    ```
    """
    if not hasattr(result, "statistics"):
        raise ValueError(
            "`result` should be the result that `AttentionStudy.run` or "
            "`kad.analysis.load_study` returned. Received an object of type "
            f"{type(result).__name__}."
        )
    figure = new_figure(height=5.5)
    first, second, third, *below = figure.subplots(2, 3).flat
    statistics = result.statistics
    _completeness(first, result)
    _success(second, statistics)
    _along(third, statistics, "iou", "IoU with the clean area")
    _along(below[0], statistics, "centroid_shift", "shift of the centroid")
    _along(below[1], statistics, "entropy", "entropy of the map")
    _along(below[2], statistics, "components", "parts of the area")
    # One legend for all panels, below them.
    handles, labels = third.get_legend_handles_labels()
    add_legend(
        figure,
        handles,
        labels,
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    return figure


def comparison_figure(comparison: Any) -> Figure:
    """Draws how attention changes along the attack, for several models.

    Args:
        comparison: The `StudyComparison` that `kad.analysis.compare_studies`
            returned.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    result = kad.analysis.AttentionStudy(model).run(x, y, boxes)
    results = {"first": result, "again": result}
    comparison = kad.analysis.compare_studies(results)
    figure = kad.visualization.comparison_figure(comparison)
    ```
    """
    figure = new_figure(height=3.4)
    measures = {
        "fallen": "attack success",
        "iou": "IoU with the clean area",
        "centroid_shift": "shift of the centroid",
        "entropy": "entropy of the map",
    }
    for axes, (name, title) in zip(
        figure.subplots(1, len(measures)), measures.items(), strict=True
    ):
        for model, result in comparison.results.items():
            values = result.steps[name][comparison.common]
            _curve(axes, values.mean(0), curve_name(model))
        label_axes(axes, title, "step")
    handles, labels = axes.get_legend_handles_labels()
    add_legend(
        figure,
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        frameon=False,
    )
    return figure


def _completeness(axes, result):
    """Draws how complete the attention is where the attack succeeds or fails.

    Without boxes, the drop in confidence is drawn instead.
    """
    samples, correct = result.per_sample, result.correct
    name = "completeness" if "completeness" in samples else "confidence_drop"
    success = samples["success"][correct] == 1
    values = samples[name][correct]
    # Completeness starts at 0; a drop in confidence may be below.
    low = min(float(values.min()), 0.0)
    bins = low + (1 - low) * _BINS
    for chosen, (_, label, color) in zip(
        (success, ~success), _GROUPS, strict=True
    ):
        axes.hist(values[chosen], bins, color=color, alpha=0.55, label=label)
    title = {
        "completeness": "completeness: IoU with the object",
        "confidence_drop": "drop in confidence when masked",
    }[name]
    label_axes(axes, title, y="images")


def _success(axes, statistics):
    """Draws attack success by completeness, with its intervals."""
    bins = [row for row in statistics.get("bins", []) if row["n"]]
    label_axes(axes, "attack success by completeness", "IoU", "in %")
    if not bins:
        axes.text(0.5, 0.5, "no boxes", ha="center", transform=axes.transAxes)
        return
    centers = [np.mean(row["from_to"]) for row in bins]
    shares = np.array([100 * row["share"] for row in bins])
    bounds = 100 * np.array([row["interval"] for row in bins]).T
    # Rounding may put a share of 0 or 1 just outside of its interval.
    errors = np.maximum([shares - bounds[0], bounds[1] - shares], 0)
    axes.errorbar(
        centers, shares, errors, fmt="o-", color="#1f2328", capsize=2, lw=1
    )
    axes.axvline(0.5, color="#57606a", lw=0.8, ls="--")
    axes.set_xlim(0, 1)
    axes.set_ylim(-3, 103)


def _along(axes, statistics, name, title):
    """Draws the mean of a measure after each step, for both groups."""
    for group, label, color in _GROUPS:
        means = statistics["steps"][name][group]
        if None not in means:
            _curve(axes, means, label, color)
    label_axes(axes, title, "step")


def _curve(axes, means, label, color=None):
    """Draws one curve over the steps."""
    steps = np.arange(len(means))
    marker = "o" if len(means) < 12 else None
    axes.plot(
        steps, means, label=label, color=color, marker=marker, ms=3, lw=1.5
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
