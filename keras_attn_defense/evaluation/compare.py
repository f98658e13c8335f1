"""Comparison of several cards."""

import itertools
import os
import warnings
from collections.abc import Sequence
from typing import Any

from .card import check_card
from .card import load_card
from .card import outcomes
from .comparison import ComparedPair
from .comparison import Comparison
from .confidence import paired_difference
from .report import RobustnessReport


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
    kad.evaluation.compare(["first.json", "second.json"]).summary()
    ```
    """
    reports = [each for each in cards if isinstance(each, RobustnessReport)]
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
    # Reports are sorted as their cards are: the pictures of a page belong to
    # its rows.
    for each in (cards, reports):
        each.sort(key=lambda one: _accuracy(one, epsilons[-1]), reverse=True)
    rows = [_row(card, epsilons) for card in cards]
    threat = cards[0]["threat_model"]
    norm, value_range = threat["norm"], threat["value_range"]
    dataset = cards[0]["dataset"] or "unnamed data"
    # Paired differences make sense only if entry i is the same image in all
    # cards.
    same = not _differ([(c["num_images"], c["data_checksum"]) for c in cards])
    right = [outcomes(card) for card in cards] if same else []
    return Comparison(
        rows,
        epsilons,
        f"{dataset}, {norm}",
        _pairs(cards, right, epsilons),
        norm,
        value_range,
        cards[0]["confidence"],
        right,
        reports if same and len(reports) == len(cards) else (),
    )


def _card(source):
    if isinstance(source, RobustnessReport):
        return source.to_dict()
    if isinstance(source, (str, os.PathLike)):
        return load_card(source)
    return check_card(source, "a card in the list")


def _accuracy(source, epsilon):
    return _worst(_card(source))[epsilon]["accuracy"]


def _row(card, epsilons):
    worst = _worst(card)
    return {
        "name": card["name"],
        "num_images": card["num_images"],
        "clean_accuracy": card["results"][0]["accuracy"],
        "clean_interval": tuple(card["results"][0]["interval"]),
        "robust_accuracy": {e: worst[e]["accuracy"] for e in epsilons},
        "interval": {e: tuple(worst[e]["interval"]) for e in epsilons},
        "attacks": list(card["attacks"]),
        "raised": [flag["name"] for flag in card["flags"] if flag["raised"]],
        "unchecked": [
            flag["name"] for flag in card["flags"] if flag["raised"] is None
        ],
    }


def _worst(card):
    """The rows of the worst case by epsilon."""
    rows = [x for x in card["results"] if x["attack"] == "worst case"]
    return {row["epsilon"]: row for row in rows}


def _pairs(cards, right, epsilons):
    """Each two models at each radius.

    Args:
        cards: The cards.
        right: For each which images it has right, a dict of masks by epsilon;
            empty if the images differ.
        epsilons: The radii.
    """
    # In the order of the cards, so that the first of a pair is the more robust.
    found = list(zip(cards, right, strict=False))
    confidence = cards[0]["confidence"]
    return [
        ComparedPair(
            first["name"],
            second["name"],
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
