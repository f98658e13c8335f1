"""Model cards: a report that others can read, in JSON."""

import json
from typing import Any

import numpy as np

from .._files import read_json
from .._typing import Path
from .attack_entries import settings
from .card_fields import check_fields

_FORMAT = "keras_attn_defense robustness card"
_VERSION = 1


def make_card(report):
    """A report as a dict of plain values.

    The first fields are those of RobustBench's `model_info` files: accuracies
    in percent, as text, at the largest epsilon. What only authors know of
    their model is None, to be filled in.

    Args:
        report: The `RobustnessReport`.
    """
    threat = report.threat_model
    largest = threat.epsilons[-1]
    reported = _percent(report.robust_accuracy[largest])
    raised = [flag for flag in report.flags if flag.raised]
    card = {
        "link": None,
        "name": report.about["name"],
        "authors": None,
        "additional_data": None,
        "number_forward_passes": 1,
        "dataset": report.about["dataset"],
        "venue": None,
        "architecture": report.about["architecture"],
        "eps": threat.label(largest),
        "clean_acc": _percent(report.clean_accuracy),
        "reported": reported,
        "autoattack_acc": reported if report.about["standard"] else None,
        "footnote": " ".join(flag.sentence for flag in raised) or None,
        "unreliable": report.unreliable,
        "format": _FORMAT,
        "format_version": _VERSION,
        "source": "keras_attn_defense.evaluate_robustness",
        "threat_model": threat._asdict(),
        "num_images": report.num_images,
        "images": report.about["images"],
        "confidence": report.confidence,
        "results": [row._asdict() for row in report.rows],
        "median_distances": {
            name: distance if np.isfinite(distance) else None
            for name, distance in report.distances.items()
        },
        "flags": [flag._asdict() for flag in report.flags],
        "attacks": {
            each.name: settings(each.attack) for each in report._records.ran
        },
        "skipped": report.skipped,
        "outcomes": _outcomes(report),
        "corruptions": report.corruptions and report.corruptions.to_dict(),
        **report.about["evidence"],
    }
    # As it will be read again: tuples become lists.
    return json.loads(json.dumps(card, allow_nan=False))


def _outcomes(report):
    """Who is classified correctly: a bit an image, in hexadecimal digits."""
    samples, threat = report.per_sample, report.threat_model
    masks = {0.0: samples["prediction"] == samples["label"]}
    for epsilon in threat.epsilons:
        masks[epsilon] = samples[f"robust@{threat.label(epsilon)}"]
    return [
        {"epsilon": epsilon, "correct": np.packbits(mask).tobytes().hex()}
        for epsilon, mask in masks.items()
    ]


def outcomes(card):
    """Reads who is classified correctly from a card.

    Args:
        card: The card.

    Returns:
        A dict of masks `(num_images,)` by epsilon, 0.0 for clean images;
        empty for a card that was written before cards told.
    """
    count, found = card["num_images"], {}
    for entry in card.get("outcomes", []):
        bits = np.frombuffer(bytes.fromhex(entry["correct"]), "uint8")
        found[entry["epsilon"]] = np.unpackbits(bits)[:count].astype(bool)
    return found


def load_card(path: Path) -> dict[str, Any]:
    """Reads a card that `RobustnessReport.save` wrote.

    A card holds less than the report: `compare` takes either.

    Args:
        path: The JSON file.

    Returns:
        A dict of plain values, as `RobustnessReport.to_dict` returned it.

    Raises:
        ValueError: If the file is damaged, no card, or of a newer version.

    Example:

    ```python
    report = kad.evaluate_robustness(model, x, y, attacks="fgsm", verbose=0)
    report.save("card.json")
    card = kad.evaluation.load_card("card.json")
    assert card == report.to_dict()
    ```
    """
    return check_card(read_json(path, "card"), path)


def check_card(card, source):
    """Returns a card if it is one.

    Args:
        card: What should be a card.
        source: What to call it in an error.
    """
    if not isinstance(card, dict) or card.get("format") != _FORMAT:
        raise ValueError(
            f"'{source}' is not a card of keras_attn_defense: its 'format' "
            f"should be '{_FORMAT}'. Cards are written by `report.save`."
        )
    if card.get("format_version") != _VERSION:
        raise ValueError(
            f"The card '{source}' has format version "
            f"{card.get('format_version')!r}; this version of "
            f"keras_attn_defense reads version {_VERSION}. Update it with "
            "`pip install --upgrade keras-attn-defense`."
        )
    check_fields(card, source)
    return card


def _percent(share):
    return f"{100 * share:.2f}"
