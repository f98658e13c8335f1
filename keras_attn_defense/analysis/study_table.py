"""The table of a study, on the screen or as plain text."""

import functools

from rich import box
from rich.table import Table
from rich.text import Text

from .._text import as_text
from .._text import show

NAMES = {
    "completeness": "completeness (IoU with the object)",
    "confidence_drop": "drop in confidence when masked",
    "iou": "IoU of the areas before and after",
    "rank_correlation": "rank correlation of the maps",
    "centroid_shift": "shift of the centroid",
    "components_rise": "rise in components",
    "entropy_rise": "rise in entropy",
    "spread_rise": "rise in spread",
}
OBSERVATIONS = {
    "completeness": "images with less complete attention are fooled first",
    "confidence_drop": "images with more evidence outside are fooled first",
    "iou": "successful attacks move the attention area further",
    "rank_correlation": "successful attacks change the map more",
    "centroid_shift": "successful attacks move the centroid further",
    "components_rise": "successful attacks break the area into more parts",
    "entropy_rise": "successful attacks even the map out more",
    "spread_rise": "successful attacks spread the map out more",
}


def print_study(result):
    """Prints the table of a result."""
    show(functools.partial(_write, result))


def text_of_study(result):
    """Returns the table of a result as plain text."""
    return as_text(functools.partial(_write, result))


def _write(result, console):
    """Writes the table, and one sentence for each observation."""
    statistics = result.statistics
    console.print(_table(result, statistics))
    for name, measure in statistics["measures"].items():
        kind = name.removeprefix("other_")
        method = " (second method)" if kind != name else ""
        sizes = measure["chosen"]["n"], measure["others"]["n"]
        p = "" if measure["p"] is None else f"p = {measure['p']:.2g}, "
        console.print(
            Text(
                f"{measure['verdict']}: {OBSERVATIONS[kind]}{method} "
                f"({p}n = {sizes[0]} + {sizes[1]})."
            )
        )
    for name in ("incomplete", "other_incomplete"):
        if name in statistics:
            console.print(Text(_incomplete(name, statistics[name])))


def _incomplete(name, compared):
    """Compares the success on images of low completeness in a sentence."""
    method = " (second method)" if name.startswith("other_") else ""
    groups = [_success(compared[each]) for each in ("chosen", "others")]
    p = "" if compared["p"] is None else f" p = {compared['p']:.2g} (Fisher)."
    return (
        f"Attack success where completeness{method} is below 0.5: {groups[0]}, "
        f"elsewhere: {groups[1]}.{p}"
    )


def _success(share):
    """Formats a share of success with its interval."""
    if not share["n"]:
        return "no image"
    low, high = (100 * bound for bound in share["interval"])
    return (
        f"{100 * share['share']:.1f} % ({low:.1f} to {high:.1f}, "
        f"n = {share['n']})"
    )


def _table(result, statistics):
    settings, success = result.settings, statistics["success"]
    epsilon = settings["epsilon"]
    radius = "any distance" if epsilon is None else f"{epsilon:.3g}"
    table = Table(
        title=f"{settings['model']}: {statistics['correct']} of "
        f"{statistics['images']} images correct, {settings['attack']['name']} "
        f"succeeds on {success['count']} of them at {radius}",
        caption="succeeded, failed: means over the images where the attack "
        "did. p: Mann-Whitney, two-sided. effect: probability that an image "
        "where the attack failed has the larger value.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("")
    for name in ("succeeded", "failed", "difference (95 %)", "p", "effect"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, measure in statistics["measures"].items():
        table.add_row(*_row(name, measure))
    return table


def _row(name, measure):
    """Formats the comparison of one measure."""
    kind = name.removeprefix("other_")
    label = NAMES[kind] + (", second method" if kind != name else "")
    means = [_number(measure[each]["mean"]) for each in ("chosen", "others")]
    if measure["p"] is None:
        return label, *means, "", "", ""
    low, high = measure["interval"]
    return (
        label,
        *means,
        f"{measure['difference']:+.3f} ({low:+.3f} to {high:+.3f})",
        f"{measure['p']:.2g}",
        f"{measure['effect']:.2f}",
    )


def _number(value):
    return "" if value is None else f"{value:.3f}"
