"""Several models side by side."""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
from rich import box
from rich.table import Table

from .._files import write_json
from .._text import as_text
from .._text import show
from .._typing import Figure
from .._typing import Path
from ..pages import comparison_page
from ..pages import is_page
from ..pages import write_page
from ..visualization import robustness_figure
from .confidence import PairedDifference
from .table import percent
from .threat_model import ThreatModel


class ComparedPair(NamedTuple):
    """Two models on the same images at one radius.

    Args:
        first: The name of the one model.
        second: The name of the other.
        epsilon: The radius; 0.0 for clean images.
        result: The `PairedDifference` of their accuracies.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    pair = kad.evaluation.compare([report, report]).pairs[0]
    assert pair.result.difference == 0.0
    ```
    """

    first: str
    second: str
    epsilon: float
    result: PairedDifference


class Comparison:
    """Models side by side.

    Made by `compare`. `str(comparison)` is the text of the summary.

    Args:
        rows: A list of dicts, the most robust model first: `name`,
            `num_images`, `clean_accuracy`, `clean_interval`,
            `robust_accuracy` (a dict by epsilon), `interval` (the same),
            `attacks`, `raised`, the names of raised flags, and `unchecked`,
            of those not checked.
        epsilons: The radii that all of them were evaluated at.
        title: What they were evaluated on.
        pairs: A list of `ComparedPair`: each two models on the same images,
            clean and at each radius. Empty where the images differ.
        norm: The norm of the radii.
        value_range: `(lower, upper)` bounds of the images.
        confidence: The probability that the intervals cover.
        outcomes: For each model which images it has right, a dict of masks by
            epsilon; empty where the images differ.
        reports: The `RobustnessReport` of each model, for the pictures of a
            page; empty where cards or other images were compared.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    comparison = kad.evaluation.compare([report, report])
    assert comparison.rows[0]["clean_accuracy"] == report.clean_accuracy
    comparison.summary()  # prints the table
    comparison.save("comparison.json")
    comparison.save("comparison.html")  # for a browser
    ```
    """

    def __init__(
        self,
        rows: list[dict[str, Any]],
        epsilons: Sequence[float],
        title: str,
        pairs: Sequence[ComparedPair] = (),
        norm: str = "linf",
        value_range: tuple[float, float] = (0.0, 1.0),
        confidence: float = 0.95,
        outcomes: Sequence[dict[float, np.ndarray]] = (),
        reports: Sequence[Any] = (),
    ) -> None:
        self.rows = rows
        self.epsilons = epsilons
        self.title = title
        self.pairs = list(pairs)
        self.confidence = confidence
        self.outcomes = list(outcomes)
        self.reports = list(reports)
        self.threat_model = ThreatModel(
            norm, tuple(epsilons), tuple(value_range)
        )

    def summary(self) -> None:
        """Prints accuracies, intervals, flags and paired differences."""
        show(lambda console: console.print(*self._tables()))

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as a dict of plain values."""
        return {
            "title": self.title,
            "threat_model": {
                "norm": self.threat_model.norm,
                "epsilons": list(self.epsilons),
                "value_range": list(self.threat_model.value_range),
            },
            "confidence": self.confidence,
            "models": [
                {
                    **row,
                    "clean_interval": list(row["clean_interval"]),
                    "robust_accuracy": _by_epsilon(row["robust_accuracy"]),
                    "interval": _by_epsilon(row["interval"]),
                }
                for row in self.rows
            ],
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "epsilon": pair.epsilon,
                    **pair.result._asdict(),
                    "interval": list(pair.result.interval),
                }
                for pair in self.pairs
            ],
        }

    def save(
        self, path: Path, *, class_names: Sequence[str] | None = None
    ) -> None:
        """Writes `to_dict` to a JSON file, or a page for a browser.

        The page is one file that loads nothing from elsewhere. It shows images
        side by side if reports were compared, not cards, and their evaluations
        were asked for a `gallery`.

        Args:
            path: The file. A name that ends in `.html` is a page.
            class_names: Names of the classes, for a page. None shows their
                indices.

        Raises:
            ImportError: If a page is asked for and its packages are missing.
        """
        if is_page(path):
            write_page(path, comparison_page, self, class_names)
        else:
            write_json(path, self.to_dict())

    def plot(self, path: Path | None = None) -> Figure:
        """Draws accuracy against epsilon, for each model.

        Args:
            path: An image file to write, if any.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        figure = robustness_figure(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def __str__(self) -> str:
        return as_text(
            lambda console: console.print(*self._tables()), width=120
        )

    def _tables(self):
        table = Table(title=self.title, box=box.SIMPLE_HEAD)
        table.add_column("model")
        for heading in ("clean", *map(self.threat_model.label, self.epsilons)):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("attacks")
        table.add_column("raised flags")
        for row in self.rows:
            table.add_row(
                row["name"],
                percent(row["clean_accuracy"]),
                *(
                    _with_interval(
                        row["robust_accuracy"][e], row["interval"][e]
                    )
                    for e in self.epsilons
                ),
                ", ".join(row["attacks"]),
                _flags(row),
            )
        return [table, *([self._paired_table()] if self.pairs else [])]

    def _paired_table(self):
        table = Table(
            title="The same images: accuracy of the first less the second",
            box=box.SIMPLE_HEAD,
        )
        for heading in ("first", "second", "epsilon"):
            table.add_column(heading)
        for heading in ("difference", "only first", "only second", "p-value"):
            table.add_column(heading, justify="right", no_wrap=True)
        for first, second, epsilon, result in self.pairs:
            table.add_row(
                first,
                second,
                self.threat_model.label(epsilon) if epsilon else "clean",
                _with_interval(result.difference, result.interval),
                str(result.only_first),
                str(result.only_second),
                f"{result.p_value:.2g}",
            )
        return table


def _by_epsilon(values):
    """Lists what a dict holds by epsilon; JSON has no numbers as keys."""
    return [
        {"epsilon": e, "value": list(v) if isinstance(v, tuple) else v}
        for e, v in values.items()
    ]


def _flags(row):
    """Describes the flags; those not checked are not clean."""
    raised, unchecked = row["raised"], row["unchecked"]
    words = [", ".join(raised)] if raised else []
    if unchecked:
        words.append(f"{len(unchecked)} not checked")
    return "; ".join(words) or "none"


def _with_interval(accuracy, interval):
    low, high = (100 * bound for bound in interval)
    return f"{percent(accuracy)} ({low:.1f} to {high:.1f})"
