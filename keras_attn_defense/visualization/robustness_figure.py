"""A figure of accuracy against the size of the perturbation."""

from typing import Any

from .._typing import Figure
from .style import add_legend
from .style import curve_name
from .style import label_axes
from .style import new_figure


def robustness_figure(report: Any) -> Figure:
    """Draws accuracy against epsilon, for each attack and in the worst case.

    Args:
        report: The report that `kad.evaluate_robustness` returned.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `report` is not a report.
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
            "returned; a card does not hold all of it. Received an object of "
            f"type {type(report).__name__}."
        )
    threat, clean = report.threat_model, report.lines[0]
    figure = new_figure(6, 4)
    axes = figure.subplots()
    # Every attack has a curve, which starts from the clean accuracy.
    curves = {}
    for line in report.lines[1:]:
        curves.setdefault(line.attack, [clean]).append(line)
    worst = curves.pop("worst case")
    for name, lines in curves.items():
        axes.plot(
            *_points(lines),
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
    bounds = [[100 * line.interval[end] for line in worst] for end in (0, 1)]
    band = f"{100 * report.confidence:g} % interval"
    axes.fill_between(
        epsilons, *bounds, color="black", alpha=0.15, linewidth=0, label=band
    )
    label_axes(
        axes,
        f"{report.about['name']}, {report.num_images} images",
        f"epsilon ({threat.norm})",
        "accuracy in %",
    )
    axes.set_ylim(0, 102)  # Room for the whole markers at 100.
    axes.set_xticks(
        epsilons, _apart(epsilons, ["0", *map(threat.label, threat.epsilons)])
    )
    add_legend(axes)
    return figure


def _points(lines):
    """Returns epsilons and accuracies in percent."""
    epsilons = [line.epsilon for line in lines]
    return epsilons, [100 * line.accuracy for line in lines]


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
