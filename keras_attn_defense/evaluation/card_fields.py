"""Checks of a card's fields, before anybody relies on them."""

import math

from .corruption_result import corruptions_of


def check_fields(card, source):
    """Raises a `ValueError` where a field does not hold what it should.

    Args:
        card: A dict, the content of a file that may be damaged or forged.
        source: What to call it in the error.
    """
    for name, (expected, is_right) in _FIELDS.items():
        if name not in card or not is_right(card[name]):
            found = repr(card.get(name, "nothing"))
            raise ValueError(
                f"The card '{source}' should hold {expected} as '{name}'. "
                f"Received: {found[:80]}. Save it again with `report.save`."
            )
    size = -(-card["num_images"] // 8)
    if not _all(card.get("outcomes", []), lambda v: _is_outcome(v, size)):
        raise ValueError(
            f"The card '{source}' should hold as 'outcomes' a bit for each of "
            f"its {card['num_images']} images. Save it again with "
            "`report.save`."
        )
    if card.get("corruptions") is not None:
        corruptions_of(card["corruptions"], source)
    results, epsilons = card["results"], card["threat_model"]["epsilons"]
    worst = {r["epsilon"] for r in results if r["attack"] == "worst case"}
    if results[0]["attack"] != "clean" or not set(epsilons) <= worst:
        raise ValueError(
            f"The card '{source}' should begin its 'results' with clean images "
            f"and hold the worst case for each of {epsilons}. Save it again "
            "with `report.save`."
        )


def _is_number(value):
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_share(value):
    return _is_number(value) and 0 <= value <= 1


def _is_pair(value, is_right=_is_number):
    return isinstance(value, list) and len(value) == 2 and _all(value, is_right)


def _all(values, is_right):
    return isinstance(values, list) and all(map(is_right, values))


def _is_text(value):
    return isinstance(value, str)


def _is_threat(value):
    return (
        isinstance(value, dict)
        and value.get("norm") in ("linf", "l2", "l1")
        and _all(value.get("epsilons"), _is_number)
        and bool(value["epsilons"])
        and _is_pair(value.get("value_range"))
    )


def _is_result(value):
    return (
        isinstance(value, dict)
        and _is_text(value.get("attack"))
        and _is_number(value.get("epsilon"))
        and _is_share(value.get("accuracy"))
        and _is_pair(value.get("interval"), _is_share)
    )


def _is_outcome(value, size):
    if not isinstance(value, dict) or not _is_number(value.get("epsilon")):
        return False
    try:
        return len(bytes.fromhex(value.get("correct"))) == size
    except (TypeError, ValueError):
        return False


def _is_flag(value):
    return (
        isinstance(value, dict)
        and _is_text(value.get("name"))
        and value.get("raised", 0) in (True, False, None)
        and _is_text(value.get("sentence"))
    )


_FIELDS = {
    "name": ("a text", _is_text),
    "clean_acc": ("a text", _is_text),
    "threat_model": ("norm, epsilons and value range", _is_threat),
    "num_images": (
        "a whole number",
        lambda value: type(value) is int and value > 0,
    ),
    "results": (
        "accuracies with their intervals",
        lambda value: bool(value) and _all(value, _is_result),
    ),
    "flags": ("what the checks found", lambda value: _all(value, _is_flag)),
    "attacks": ("settings by name", lambda value: isinstance(value, dict)),
    "dataset": (
        "a text or null",
        lambda value: isinstance(value, (str, type(None))),
    ),
    "data_checksum": ("a whole number", lambda value: type(value) is int),
}
