"""Attention maps as NumPy arrays, and what all measures of them share."""

import numpy as np
from keras import ops

# A range of values that is smaller, relative to them, is due to rounding.
_ROUNDING = 1e-6


def checked_maps(maps, name="maps"):
    """Checks maps and converts them to float64 NumPy arrays.

    A map that is constant up to rounding is set to zero, so that rounding
    errors do not decide its area or the order of its positions.

    Returns:
        Maps `(batch, height, width)`.

    Raises:
        ValueError: If they have another rank, or are not finite.
    """
    maps = np.asarray(ops.convert_to_numpy(maps), "float64")
    if maps.ndim != 3 or 0 in maps.shape[1:]:
        raise ValueError(
            f"`{name}` should be attention maps (batch, height, width). "
            f"Received an array of shape {maps.shape}. Pass a single map as "
            "maps[None]."
        )
    wrong = ~np.isfinite(maps).all((1, 2))
    if wrong.any():
        raise ValueError(
            f"`{name}` should be finite. Map {int(wrong.argmax())} has values "
            "that are NaN or infinite."
        )
    size = abs(maps).max((1, 2), keepdims=True)
    constant = np.ptp(maps, (1, 2), keepdims=True) <= _ROUNDING * size
    return np.where(constant, 0.0, maps)


def weights(maps):
    """Returns maps as distributions over positions, `(batch, positions)`.

    Negative values count as zero. In a map without positive values all
    positions have the same weight.
    """
    values = np.maximum(maps, 0).reshape(len(maps), -1)
    total = values.sum(-1, keepdims=True)
    # The inner `where` keeps the division by zero away, the outer one its
    # result.
    even = np.full_like(values, 1 / values.shape[1])
    return np.where(total > 0, values / np.where(total > 0, total, 1.0), even)


def positions(maps):
    """Returns the places of the pixels, `(positions, 2)`, and the diagonal."""
    height, width = maps.shape[1:]
    grid = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2)
    return grid.astype("float64"), float(np.hypot(height, width))


def area_of(maps, mask):
    """Returns the attention areas of an `AttentionMask`, as booleans."""
    area = mask.area(ops.convert_to_tensor(maps, "float32"))
    return ops.convert_to_numpy(area) > 0.5
