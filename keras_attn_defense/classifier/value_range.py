"""The bounds of images, as given or as the model knows them."""

from typing import Any

from .._typing import ValueRange
from .checks import check_value_range


def known_value_range(model: Any) -> ValueRange | None:
    """The range of images that a model itself declares, or None."""
    its = getattr(model, "value_range", None)
    return None if its is None else check_value_range(its)


def resolve_value_range(
    model: Any, value_range: ValueRange | None
) -> ValueRange:
    """The range of a model's images.

    Args:
        model: A model, which may have a `value_range` of its own.
        value_range: What was asked for, or None.

    Returns:
        `value_range`, or the model's own, or `(0.0, 1.0)`.

    Raises:
        ValueError: If both are given and differ.
    """
    its = known_value_range(model)
    if value_range is None:
        return its or (0.0, 1.0)
    value_range = check_value_range(value_range)
    if its is not None and its != value_range:
        raise ValueError(
            f"The model takes images in value_range=({its[0]:g}, {its[1]:g}). "
            "Received: "
            f"value_range={value_range}. Leave `value_range` out and give "
            "images in the model's range, or build the model for the other."
        )
    return value_range
