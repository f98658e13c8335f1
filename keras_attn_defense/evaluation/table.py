"""A report as a table on the screen, or as plain text."""

import functools

from rich import box
from rich.table import Table
from rich.text import Text

from .._text import as_text
from .._text import show
from ..pages import median_sentence
from .corruption_result import write_corruptions

_MARKS = {
    True: ("raised", "bold red"),
    False: ("passed", "green"),
    None: ("not checked", "yellow"),
}
_MEDIAN = ("median distance", "bold")


def print_report(report):
    """Prints a report."""
    show(functools.partial(_write, report))


def text_of_report(report):
    """Returns the table as plain text."""
    return as_text(functools.partial(_write, report))


def percent(share):
    """A share between 0 and 1, in percent."""
    return f"{100 * share:.1f} %"


def _write(report, console):
    console.print(_table(report))
    if report.corruptions is not None:
        write_corruptions(report.corruptions, console)
    for name, distance in report.distances.items():
        _write_flag(console, _MEDIAN, name, median_sentence(distance))
    for name, reason in report.skipped.items():
        _write_flag(console, ("left out", "yellow"), name, reason)
    sentences = {flag.sentence for flag in report.flags}
    if len(sentences) == 1:  # One reason why none was checked.
        _write_flag(console, _MARKS[None], "all flags", sentences.pop())
        return
    for flag in report.flags:
        _write_flag(console, _MARKS[flag.raised], flag.name, flag.sentence)


def _write_flag(console, mark, name, sentence):
    console.print(Text.assemble(mark, f": {name}. {sentence}"))


def _table(report):
    threat = report.threat_model
    table = Table(
        title=f"{report.about['name']}: {report.about['images']}, "
        f"{threat.norm}, value range {threat.value_range}",
        caption="distance: mean of those that fell. passes: forward + "
        "backward, mean of those attacked.",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in ("epsilon", "attack"):
        table.add_column(heading, no_wrap=True)
    for heading in (
        "accuracy %",
        f"{100 * report.confidence:g} % interval",
        "distance",
        "passes",
        "seconds",
    ):
        table.add_column(heading, no_wrap=True, justify="right")
    for row in report.rows:
        last = row.attack in ("clean", "worst case")
        table.add_row(
            threat.label(row.epsilon) if row.epsilon else "",
            row.attack,
            f"{100 * row.accuracy:.1f}",
            " - ".join(f"{100 * bound:.1f}" for bound in row.interval),
            "" if row.mean_distance is None else f"{row.mean_distance:.3g}",
            _passes(row) if row.attacked else "",
            f"{row.seconds:.1f}" if row.attacked else "",
            style="bold" if last else None,
            end_section=last,
        )
    return table


def _passes(row):
    return f"{row.forward_passes:.0f} + {row.backward_passes:.0f}"
