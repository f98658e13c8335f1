"""A picture of a report."""

_NEEDED = (
    "Plots need matplotlib, which is not installed. Install it with "
    "`pip install matplotlib` or `pip install keras-attn-defense[viz]`."
)


def plot_report(report):
    """Accuracy against epsilon, for each attack and in the worst case.

    Args:
        report: The `Report`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(_NEEDED) from None

    threat, clean = report.threat_model, report.lines[0]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    curves = {}
    for line in report.lines[1:]:
        curves.setdefault(line.attack, [clean]).append(line)
    worst = curves.pop("worst case")
    for name, lines in curves.items():
        axes.plot(*_points(lines), marker="o", linewidth=1, label=name)
    axes.plot(*_points(worst), color="black", linewidth=2, label="worst case")
    epsilons, _ = _points(worst)
    bounds = [[100 * line.interval[end] for line in worst] for end in (0, 1)]
    axes.fill_between(epsilons, *bounds, color="black", alpha=0.15, linewidth=0)
    axes.set_xticks(epsilons, ["0", *map(threat.label, threat.epsilons)])
    axes.set_ylim(0, 100)
    axes.set_xlabel(f"epsilon ({threat.norm})")
    axes.set_ylabel("accuracy in %")
    axes.set_title(f"{report.about['name']}, {report.num_images} images")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _points(lines):
    epsilons = [line.epsilon for line in lines]
    return epsilons, [100 * line.accuracy for line in lines]
