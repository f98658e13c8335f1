"""A figure of accuracy against the size of the perturbation."""

from typing import Any

from .._typing import Figure
from .style import add_legend
from .style import curve_name
from .style import label_axes
from .style import new_figure


def robustness_figure(report: Any) -> Figure:
    """Draws accuracy against epsilon.

    Of one report, for each attack and in the worst case; of a comparison, the
    worst case of each model. The bands are confidence intervals.

    Args:
        report: The report that `kad.evaluate_robustness` returned, or the
            comparison that `kad.evaluation.compare` returned.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `report` is neither.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    report = kad.evaluate_robustness(
        model, x, y, attacks="fgsm", epsilons=[0.01, 0.03]
    )
    kad.visualization.robustness_figure(report).savefig("curve.png")
    ```
    """
    if not hasattr(report, "threat_model"):
        raise ValueError(
            "`report` should be the report that `kad.evaluate_robustness` "
            "returned, or a comparison; a card does not hold all of it. "
            f"Received an object of type {type(report).__name__}."
        )
    figure = new_figure(6, 4)
    axes = figure.subplots()
    draw = _draw_report if hasattr(report, "flags") else _draw_comparison
    title = draw(axes, report)
    threat = report.threat_model
    label_axes(axes, title, f"epsilon ({threat.norm})", "accuracy in %")
    axes.set_ylim(0, 102)  # Room for the whole markers at 100.
    epsilons = [0.0, *threat.epsilons]
    axes.set_xticks(
        epsilons, _apart(epsilons, ["0", *map(threat.label, threat.epsilons)])
    )
    add_legend(axes)
    return figure


def _draw_report(axes, report):
    """Draws the curves of all attacks, and returns the title."""
    # Every attack has a curve, which starts from the clean accuracy.
    curves = {}
    for row in report.rows[1:]:
        curves.setdefault(row.attack, [report.rows[0]]).append(row)
    worst = curves.pop("worst case")
    for name, rows in curves.items():
        axes.plot(
            *_points(rows),
            "o-",
            markersize=4,
            linewidth=1,
            label=curve_name(name),
        )
    axes.plot(
        *_points(worst),
        color="black",
        linewidth=3,
        label="worst case",
        zorder=1,
    )
    epsilons, _ = _points(worst)
    bounds = [[100 * row.interval[end] for row in worst] for end in (0, 1)]
    band = f"{100 * report.confidence:g} % interval"
    axes.fill_between(
        epsilons, *bounds, color="black", alpha=0.15, linewidth=0, label=band
    )
    return f"{report.about['name']}, {report.num_images} images"


def _draw_comparison(axes, comparison):
    """Draws the worst case of each model, and returns the title."""
    epsilons = comparison.threat_model.epsilons
    for model in comparison.rows:
        shares = [
            model["clean_accuracy"],
            *(model["robust_accuracy"][e] for e in epsilons),
        ]
        (line,) = axes.plot(
            [0.0, *epsilons],
            [100 * share for share in shares],
            "o-",
            markersize=4,
            label=curve_name(model["name"]),
        )
        bounds = [
            [100 * model["interval"][e][end] for e in epsilons]
            for end in (0, 1)
        ]
        axes.fill_between(
            epsilons, *bounds, color=line.get_color(), alpha=0.15, linewidth=0
        )
    return comparison.title


def _points(rows):
    """Returns epsilons and accuracies in percent."""
    epsilons = [row.epsilon for row in rows]
    return epsilons, [100 * row.accuracy for row in rows]


def _apart(places, labels):
    """Leaves out labels that would overlap, but not the first and the last."""
    room = 0.1 * places[-1]
    kept, last = [], float("inf")
    # From the right: a label stays if there is room before the next one that
    # stays and after the first one.
    for place, label in zip(reversed(places), reversed(labels), strict=True):
        free = last - place >= room and not 0 < place < room
        kept.append(label if free else "")
        last = place if free else last
    return kept[::-1]
