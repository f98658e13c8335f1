"""The bounds of images, as given or as the model knows them."""

from typing import Any

import numpy as np

from .._arguments import check_number
from .._typing import ValueRange


def check_value_range(value_range: ValueRange) -> ValueRange:
    """Returns `value_range` as two floats in ascending order."""
    try:
        lower, upper = (
            check_number("value_range", bound, lowest=-np.inf)
            for bound in value_range
        )
    except (TypeError, ValueError):
        lower = upper = 0.0
    if not lower < upper:
        raise ValueError(
            "`value_range` should be the lowest and the highest value an image "
            f"can have, such as (0.0, 1.0) or (0, 255). Received: {value_range}"
        )
    return lower, upper


def known_value_range(model: Any) -> ValueRange | None:
    """Returns the range of images that a model itself declares, or None."""
    its = getattr(model, "value_range", None)
    return None if its is None else check_value_range(its)


def resolve_value_range(
    model: Any, value_range: ValueRange | None
) -> ValueRange:
    """Returns the range of a model's images.

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
