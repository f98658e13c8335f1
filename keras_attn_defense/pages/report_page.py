"""The page of one evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .chart import Chart
from .chart import Curve
from .chart import Point
from .gallery_cards import gallery_cards
from .names import ClassNames
from .names import largest_class
from .page import interval
from .page import percent
from .page import render

#: Tables of classes are no longer than this.
_MOST_CLASSES = 50
#: So many wrong classes are named in a row.
_MOST_WRONG = 3


def report_page(report: Any, class_names: Sequence[str] | None = None) -> str:
    """Returns the page of a report.

    Its numbers are those of the card.

    Args:
        report: The `RobustnessReport`.
        class_names: Names of the classes, or None.
    """
    card, label = report.to_dict(), report.threat_model.label
    names = ClassNames(class_names, 1 + largest_class(report))
    epsilons = card["threat_model"]["epsilons"]
    return render(
        "report.html",
        title=f"Robustness of {card['name']}",
        card=card,
        label=label,
        worst=card["results"][-1],
        clean=card["results"][0],
        confidence=f"{100 * card['confidence']:g} %",
        flags=_flags(card),
        chart=accuracy_chart(card, label),
        epsilons=[label(epsilon) for epsilon in epsilons],
        attacks=list(card["attacks"]),
        classes=_class_tables(report, names),
        most_wrong=_MOST_WRONG,
        medians={
            name: median_sentence(distance)
            for name, distance in report.distances.items()
        },
        corruptions=_corruptions(card),
        gallery=gallery_cards(report, names),
        facts=_facts(card, label),
        call=report.about["call"],
    )


def accuracy_chart(card, label):
    """Draws accuracy against epsilon, a curve for each attack.

    Args:
        card: The card.
        label: A function that writes an epsilon.
    """
    curves = {}
    for row in card["results"][1:]:
        curves.setdefault(row["attack"], [card["results"][0]]).append(row)
    worst = curves.pop("worst case")
    epsilons = card["threat_model"]["epsilons"]
    return Chart(
        "Accuracy against epsilon, for each attack and in the worst case. The "
        "table below has the numbers.",
        [
            Curve("worst case", [_point(row) for row in worst], main=True),
            *(
                Curve(name, [_point(row) for row in rows])
                for name, rows in curves.items()
            ),
        ],
        [(0.0, "clean"), *((each, label(each)) for each in epsilons)],
        f"epsilon ({card['threat_model']['norm']})",
        "accuracy in %",
        (0, 100),
    )


def _point(row):
    return Point(
        row["epsilon"],
        100 * row["accuracy"],
        tuple(100 * bound for bound in row["interval"]),
        f"{percent(row['accuracy'])} ({interval(row['interval'])})",
    )


def _flags(card):
    """The flags by what was found, those that were raised first."""
    by_outcome = {True: [], None: [], False: []}
    for flag in card["flags"]:
        by_outcome[flag["raised"]].append(flag)
    sentences = {flag["sentence"] for flag in by_outcome[None]}
    none_was_made = len(by_outcome[None]) == len(card["flags"])
    one_reason = none_was_made and len(sentences) == 1
    return {
        "raised": by_outcome[True],
        "unchecked": by_outcome[None],
        "passed": by_outcome[False],
        # Why none was checked, if it is the same for all.
        "reason": sentences.pop() if one_reason else None,
    }


def _class_tables(report, names):
    """A table for each epsilon: which classes fall to which attacks."""
    counts = np.bincount(report.per_sample["label"])
    by_class, confusion = report.by_class, report.confusion
    robust = {label: rows[-1].accuracy for label, rows in by_class.items()}
    # The least robust classes, as many as there is room for, in their own
    # order.
    shown = sorted(robust, key=lambda label: (robust[label], label))
    shown = sorted(shown[:_MOST_CLASSES])
    return [
        {
            "epsilon": report.threat_model.label(epsilon),
            "rows": [
                {
                    "name": names(label),
                    "images": int(counts[label]),
                    "clean": by_class[label][0],
                    "attacks": [
                        row for row in by_class[label] if row.epsilon == epsilon
                    ],
                    "taken_for": _wrong(confusion[epsilon], label, names),
                }
                for label in shown
            ],
            "left_out": len(robust) - len(shown),
        }
        for epsilon in report.threat_model.epsilons
    ]


def _wrong(confusion, label, names):
    """Names the classes that images of a class are taken for most often."""
    counts = confusion[label].copy()
    counts[label] = 0
    most = np.argsort(-counts, kind="stable")[:_MOST_WRONG]
    return [f"{names(each)}: {counts[each]}" for each in most if counts[each]]


def median_sentence(distance: float) -> str:
    """Says what a median smallest distance means.

    Args:
        distance: The median of an attack, or infinity.
    """
    if np.isinf(distance):
        return "Half of the images or more never fell."
    return f"Half of the images fell by {distance:.3g}."


def _corruptions(card):
    """The accuracies under corruptions, and their means, by name."""
    found = card["corruptions"]
    if found is None:
        return None
    means = {name: float(np.mean(s)) for name, s in found["accuracy"].items()}
    return {**found, "means": means}


def _facts(card, label):
    """Returns what one needs to know to judge the numbers, by its name."""
    threat, hardware = card["threat_model"], card["hardware"]
    worst = [row for row in card["results"] if row["attack"] == "worst case"]
    seconds = sum(row["seconds"] for row in worst)
    lower, upper = threat["value_range"]
    return {
        "Model": f"{card['name']} ({card['architecture']}), "
        f"checksum {card['model_checksum'][:16]}",
        "Data": f"{card['dataset'] or 'unnamed'}: {card['images']}, "
        f"checksum {card['data_checksum']}",
        "Norm": threat["norm"],
        "Epsilons": ", ".join(map(label, threat["epsilons"])),
        "Value range": f"{lower:g} to {upper:g}",
        "Seed": str(card["seed"]),
        "Versions": ", ".join(
            f"{name} {version}" for name, version in card["versions"].items()
        ),
        "Hardware": f"{hardware['machine']}, {hardware['cpus']} processors, "
        + (", ".join(hardware["accelerators"]) or "no accelerator"),
        "Time of the attacks": f"{seconds:.1f} s",
    }
