"""The windows that Square changes: how large they are, and where."""

import numpy as np
from keras import ops

# After each of these queries, the share of the image is halved.
_HALVINGS = np.array([10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000])
# How many queries that schedule is made for.
_SCHEDULED = 10000


def halvings(count, queries=None):
    """Counts how often the share of the image has been halved.

    Args:
        count: Number of queries before, `(batch,)`.
        queries: The budget to which the schedule is stretched. None takes the
            schedule as published, for 10,000.

    Returns:
        From 0 to 9, `(batch,)`.
    """
    if queries is not None:
        count = count * _SCHEDULED // queries
    passed = count[:, None] > ops.convert_to_tensor(_HALVINGS, "int32")
    return ops.sum(ops.cast(passed, "int32"), axis=-1)


def sides(share, height, width, patterned=False):
    """The side of the window for each number of halvings.

    Args:
        share: Share of the image's area at first.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        patterned: Whether the window is to hold a pattern: then its side is
            odd and at least 3, where the image allows it.

    Returns:
        Ten sides in pixels, in NumPy.
    """
    shares = share / 2.0 ** np.arange(len(_HALVINGS) + 1)
    side = np.round(np.sqrt(shares * height * width)).astype("int32")
    if patterned:
        side = np.maximum(side, 3)
        side += side % 2 == 0
    return np.clip(side, 1, min(height, width))


def offsets(corner, side, height, width):
    """Where each pixel lies, counted from the corner of a window.

    Args:
        corner: Numbers between 0 and 1 that choose the place, `(batch, 2)`.
        side: Sides of the windows in pixels, `(batch,)`.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Rows `(batch, height, 1)` and columns `(batch, 1, width)`.
    """

    def along(length, chosen):
        free = ops.cast(length - side + 1, "float32")
        first = ops.cast(ops.floor(chosen * free), "int32")
        return ops.arange(length, dtype="int32")[None] - first[:, None]

    rows, columns = along(height, corner[:, 0]), along(width, corner[:, 1])
    return rows[:, :, None], columns[:, None, :]


def inside(rows, columns, side):
    """Tells which pixels lie in the window, `(batch, height, width)`."""
    side = side[:, None, None]
    return (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
