"""Several cards side by side."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from .._text import as_text
from .card import check_card
from .card import load_card
from .report import Report
from .table import percent


class Comparison:
    """Models side by side; `str()` of it is a table.

    Args:
        rows: A list of dicts, the most robust model first: `name`,
            `clean_accuracy`, `robust_accuracy` (a dict by epsilon),
            `interval` (the same), `attacks` and `raised`, the names of
            raised flags.
        epsilons: The radii that all of them were evaluated at.
        title: What they were evaluated on.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    comparison = kad.evaluation.compare([report, report])
    assert comparison.rows[0]["clean_accuracy"] == report.clean_accuracy
    ```
    """

    def __init__(
        self, rows: list[dict[str, Any]], epsilons: Sequence[float], title: str
    ) -> None:
        self.rows = rows
        self.epsilons = epsilons
        self.title = title

    def __str__(self) -> str:
        table = Table(title=self.title, box=box.SIMPLE_HEAD)
        table.add_column("model")
        for heading in ("clean", *(f"{e:.4g}" for e in self.epsilons)):
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
                ", ".join(row["raised"]) or "none",
            )
        return as_text(lambda console: console.print(table), width=120)


def compare(cards: Sequence[Any]) -> Comparison:
    """Compares evaluations under one threat model on one data set.

    Args:
        cards: A list of cards (see `load_card`), reports or paths of cards.

    Returns:
        A `Comparison`, by robust accuracy at the largest common epsilon.

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
    for field in (data, "attacks"):
        _warn(field, [card[field] for card in cards], cards)
    epsilons = sorted(common)
    rows = [_row(card, epsilons) for card in cards]
    rows.sort(
        key=lambda row: row["robust_accuracy"][epsilons[-1]], reverse=True
    )
    norm = cards[0]["threat_model"]["norm"]
    dataset = cards[0]["dataset"] or "unnamed data"
    return Comparison(rows, epsilons, f"{dataset}, {norm}")


def _card(source):
    if isinstance(source, Report):
        return source.card
    if isinstance(source, (str, os.PathLike)):
        return load_card(source)
    return check_card(source, "a card in the list")


def _row(card, epsilons):
    lines = card["results"]
    worst = {
        line["epsilon"]: line
        for line in lines
        if line["attack"] == "worst case" and line["epsilon"] in epsilons
    }
    return {
        "name": card["name"],
        "clean_accuracy": lines[0]["accuracy"],
        "robust_accuracy": {e: worst[e]["accuracy"] for e in epsilons},
        "interval": {e: tuple(worst[e]["interval"]) for e in epsilons},
        "attacks": list(card["attacks"]),
        "raised": [flag["name"] for flag in card["flags"] if flag["raised"]],
    }


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
