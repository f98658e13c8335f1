"""Maps as NumPy arrays, and what is measured on all of them."""

import numpy as np
from keras import ops

# The range of a map, relative to its values, that is rounding alone.
_ROUNDING = 1e-6


def checked_maps(maps, name="maps"):
    """Maps in NumPy, `(batch, height, width)`, float64.

    A map that is constant up to rounding tells nothing of places. It is made
    zero, so that no rounding decides what its area or its order is.

    Raises:
        ValueError: If they have another rank, or are not finite.
    """
    maps = np.asarray(ops.convert_to_numpy(maps), "float64")
    if maps.ndim != 3 or 0 in maps.shape[1:]:
        raise ValueError(
            f"`{name}` should be attention maps (batch, height, width). "
            f"Received an array of shape {maps.shape}. A single map is "
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
    """The maps as distributions over the positions, `(batch, positions)`.

    Negative values count as zero. A map without any positive value says
    nothing about places: all weigh the same.
    """
    flat = np.maximum(maps, 0).reshape(len(maps), -1)
    total = flat.sum(-1, keepdims=True)
    even = np.full_like(flat, 1 / flat.shape[1])
    return np.where(total > 0, flat / np.where(total > 0, total, 1.0), even)


def positions(maps):
    """The centres of the pixels, `(positions, 2)`, and the diagonal."""
    height, width = maps.shape[1:]
    grid = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2)
    return grid.astype("float64"), float(np.hypot(height, width))


def area_of(maps, mask):
    """The binary attention areas that an `AttentionMask` sees."""
    area = mask.area(ops.convert_to_tensor(maps, "float32"))
    return ops.convert_to_numpy(area) > 0.5
