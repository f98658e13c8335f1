"""The patterns of Square in the l2 and l1 norms: two pyramids of one sum."""

import functools

import numpy as np
from keras import ops


# Without compilation each query would compute the patterns anew.
@functools.lru_cache(maxsize=64)
def pattern(side, power):
    """A pyramid in the upper half of a square, its negative in the lower.

    Args:
        side: Side of the square in pixels.
        power: 2 for a pattern of Euclidean length one, 1 for one whose
            absolute values sum to one.

    Returns:
        `(side, side)`, in NumPy.
    """
    upper = side // 2
    halves = [
        _pyramid(upper, side, power),
        -_pyramid(side - upper, side, power),
    ]
    return _normalized(np.concatenate(halves), power).astype("float32")


def pattern_table(sides, power):
    """The patterns of several sides, padded to the largest."""
    table = np.zeros((len(sides), max(sides), max(sides)), "float32")
    for row, side in zip(table, sides, strict=True):
        row[:side, :side] = pattern(side, power)
    return table


def placed(table, number, rows, columns, flip):
    """A pattern for each image, moved to its window.

    What it says outside of the window means nothing.

    Args:
        table: Patterns `(numbers, side, side)`, in NumPy.
        number: Which of them, `(batch,)`.
        rows: Rows counted from the window's corner, `(batch, height, 1)`.
        columns: Columns counted from there, `(batch, 1, width)`.
        flip: Whether the pattern is transposed, `(batch,)`.

    Returns:
        `(batch, height, width)`.
    """
    side = table.shape[-1]
    rows, columns = (ops.clip(i, 0, side - 1) for i in (rows, columns))
    flip = flip[:, None, None]
    within = ops.where(flip, columns * side + rows, rows * side + columns)
    index = number[:, None, None] * side * side + within
    return ops.take(ops.convert_to_tensor(table.reshape(-1)), index)


def _pyramid(height, width, power):
    """Rings around the middle; each adds to all that lie inside of it."""
    rows = abs(np.arange(height) - height // 2)[:, None]
    columns = abs(np.arange(width) - width // 2)
    ring = np.maximum(rows, columns)
    rings = max(height, width) // 2 + 1
    steps = 1.0 / np.arange(1, rings + 1) ** (4.0 / power)
    # At the middle the sum of all, at the border the last alone.
    heights = np.cumsum(steps[::-1])[::-1]
    return _normalized(heights[ring], power)


def _normalized(values, power):
    size = (abs(values) ** power).sum() ** (1.0 / power)
    return values / size if values.size else values
