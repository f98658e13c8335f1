"""Several cards side by side."""

import itertools
import os
import warnings
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from rich import box
from rich.table import Table

from .._text import as_text
from .card import check_card
from .card import load_card
from .card import outcomes
from .confidence import PairedDifference
from .confidence import paired_difference
from .report import Report
from .table import percent
from .threat_model import ThreatModel


class Pair(NamedTuple):
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
    """Models side by side; `str()` of it is a table.

    Args:
        rows: A list of dicts, the most robust model first: `name`,
            `clean_accuracy`, `robust_accuracy` (a dict by epsilon),
            `interval` (the same), `attacks`, `raised`, the names of
            raised flags, and `unchecked`, of those not checked.
        epsilons: The radii that all of them were evaluated at.
        title: What they were evaluated on.
        pairs: A list of `Pair`: each two models on the same images, clean and
            at each radius. Empty where the images differ.
        norm: The norm of the radii.
        value_range: `(lower, upper)` bounds of the images.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    comparison = kad.evaluation.compare([report, report])
    assert comparison.rows[0]["clean_accuracy"] == report.clean_accuracy
    ```
    """

    def __init__(
        self,
        rows: list[dict[str, Any]],
        epsilons: Sequence[float],
        title: str,
        pairs: Sequence[Pair] = (),
        norm: str = "linf",
        value_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.rows = rows
        self.epsilons = epsilons
        self.title = title
        self.pairs = list(pairs)
        self._threat = ThreatModel(norm, tuple(epsilons), tuple(value_range))

    def __str__(self) -> str:
        table = Table(title=self.title, box=box.SIMPLE_HEAD)
        table.add_column("model")
        for heading in ("clean", *map(self._threat.label, self.epsilons)):
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
        tables = [table, *([self._paired_table()] if self.pairs else [])]
        return as_text(lambda console: console.print(*tables), width=120)

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
                self._threat.label(epsilon) if epsilon else "clean",
                _with_interval(result.difference, result.interval),
                str(result.only_first),
                str(result.only_second),
                f"{result.p_value:.2g}",
            )
        return table


def compare(cards: Sequence[Any]) -> Comparison:
    """Compares evaluations under one threat model on one data set.

    Args:
        cards: A list of cards (see `load_card`), reports or paths of cards.

    Returns:
        A `Comparison`, by robust accuracy at the largest common epsilon. On
        the same images it has paired differences too, which tell models apart
        that overlapping intervals do not.

    Raises:
        ValueError: If threat models or data sets differ, so that the numbers
            cannot be compared. If the images, their number or the attacks
            differ, a warning says so.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    report.save("first.json")
    report.save("second.json")
    print(kad.evaluation.compare(["first.json", "second.json"]))
    ```
    """
    cards = [_card(each) for each in cards]
    if not cards:
        raise ValueError("`cards` is empty. Pass at least one card.")
    for field in ("norm", "value_range"):
        _same([card["threat_model"][field] for card in cards], cards, field)
    _same([card["dataset"] for card in cards], cards, "dataset")
    common = set.intersection(
        *(set(card["threat_model"]["epsilons"]) for card in cards)
    )
    if not common:
        several = [card["threat_model"]["epsilons"] for card in cards]
        _same(several, cards, "epsilons")
    numbers = [card["num_images"] for card in cards]
    data = "num_images" if _differ(numbers) else "data_checksum"
    for field in (data, "attacks", "confidence"):
        _warn(field, [card[field] for card in cards], cards)
    epsilons = sorted(common)
    cards.sort(
        key=lambda card: _worst(card)[epsilons[-1]]["accuracy"], reverse=True
    )
    rows = [_row(card, epsilons) for card in cards]
    threat = cards[0]["threat_model"]
    norm, value_range = threat["norm"], threat["value_range"]
    dataset = cards[0]["dataset"] or "unnamed data"
    pairs = [] if _differ(numbers) else _pairs(cards, epsilons)
    title = f"{dataset}, {norm}"
    return Comparison(rows, epsilons, title, pairs, norm, value_range)


def _card(source):
    if isinstance(source, Report):
        return source.card
    if isinstance(source, (str, os.PathLike)):
        return load_card(source)
    return check_card(source, "a card in the list")


def _row(card, epsilons):
    worst = _worst(card)
    return {
        "name": card["name"],
        "clean_accuracy": card["results"][0]["accuracy"],
        "robust_accuracy": {e: worst[e]["accuracy"] for e in epsilons},
        "interval": {e: tuple(worst[e]["interval"]) for e in epsilons},
        "attacks": list(card["attacks"]),
        "raised": [flag["name"] for flag in card["flags"] if flag["raised"]],
        "unchecked": [
            flag["name"] for flag in card["flags"] if flag["raised"] is None
        ],
    }


def _worst(card):
    """The lines of the worst case by epsilon."""
    lines = [x for x in card["results"] if x["attack"] == "worst case"]
    return {line["epsilon"]: line for line in lines}


def _flags(row):
    """Describes the flags; those not checked are not clean."""
    raised, unchecked = row["raised"], row["unchecked"]
    words = [", ".join(raised)] if raised else []
    if unchecked:
        words.append(f"{len(unchecked)} not checked")
    return "; ".join(words) or "none"


def _pairs(cards, epsilons):
    """Each two models at each radius, where the images are the same."""
    if _differ([card["data_checksum"] for card in cards]):
        return []
    found = [(card["name"], outcomes(card)) for card in cards]
    confidence = cards[0]["confidence"]
    return [
        Pair(
            first,
            second,
            epsilon,
            paired_difference(one[epsilon], other[epsilon], confidence),
        )
        for (first, one), (second, other) in itertools.combinations(found, 2)
        for epsilon in (0.0, *epsilons)
        if epsilon in one and epsilon in other
    ]


def _differ(values):
    return any(value != values[0] for value in values)


def _same(values, cards, field):
    if _differ(values):
        raise ValueError(
            f"The cards differ in {field}, so their numbers cannot be "
            f"compared: {_listed(values, cards)}. Evaluate the models alike."
        )


def _warn(field, values, cards):
    if _differ(values):
        warnings.warn(
            f"The cards differ in {field}, so compare with care: "
            f"{_listed(values, cards)}.",
            stacklevel=3,
        )


def _listed(values, cards):
    if isinstance(values[0], dict):
        values = [", ".join(value) for value in values]
    pairs = zip(cards, values, strict=True)
    return "; ".join(f"{card['name']}: {value}" for card, value in pairs)


def _with_interval(accuracy, interval):
    low, high = (100 * bound for bound in interval)
    return f"{percent(accuracy)} ({low:.1f} to {high:.1f})"
