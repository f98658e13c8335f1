"""The starts of Square and its next tries: windows, and patterns in them.

Images are channels last here; a change is the image less the clean one.
"""

import functools

import keras
import numpy as np
from keras import ops

_TINY = 1e-12


class SignedSquares:
    """Squares of one sign in each channel; for the l-infinity norm.

    Args:
        share: Share of the image's area that a square covers at first.
    """

    def __init__(self, share):
        self.share = share

    def start(self, shape, epsilon, seed):
        """Draws vertical stripes, one pixel wide."""
        batch, _, width, channels = shape
        stripes = keras.random.uniform((batch, 1, width, channels), seed=seed)
        return ops.zeros(shape) + epsilon * _signs(stripes)

    def move(self, change, epsilon, halved, draws):
        """Adds one more square to a change.

        Args:
            change: `(batch, height, width, channels)`.
            epsilon: The radius, a scalar tensor.
            halved: How often the share has been halved, `(batch,)`.
            draws: What `Square.draw` drew, for one step.
        """
        height, width = change.shape[1:3]
        side = _chosen(sides(self.share, height, width), halved)
        place = offsets(draws["corners"][:, 0], side, height, width)
        # One color for the whole square: each channel at plus or minus epsilon.
        # The square replaces what was there, so the change stays at the border
        # of the ball.
        square = epsilon * _signs(draws["signs"])[:, None, None, :]
        return ops.where(inside(*place, side)[..., None], square, change)


class PatternedSquares:
    """Moves what one window holds into another; for the l2 and l1 norms.

    Args:
        share: Share of the image's area that a window covers at first.
        power: 2 in the l2 norm, 1 in l1.
    """

    def __init__(self, share, power):
        self.share = share
        self.power = power

    def start(self, shape, epsilon, seed):
        """Draws five tiles along the shorter side, each with the pattern."""
        batch, height, width, channels = shape
        side = max(min(height, width) // 5, 1)
        rows, columns = height // side, width // side
        # Rows and columns of tiles with the pixels of each beside them:
        # `(batch, rows, side, columns, side, channels)`, which one reshape
        # makes an image.
        tile = ops.convert_to_tensor(pattern(side, self.power))
        tiles = (batch, rows, 1, columns, 1)
        # Half of the tiles are transposed, and each channel of each has its own
        # sign.
        change = ops.where(
            keras.random.uniform((*tiles, 1), seed=seed) > 0.5,
            ops.transpose(tile)[:, None, :, None],
            tile[:, None, :, None],
        )
        signs = _signs(keras.random.uniform((*tiles, channels), seed=seed))
        filled = (-1, rows * side, columns * side, channels)
        change = ops.reshape(change * signs, filled)
        # What the tiles leave over is a margin without change on all sides.
        margins = [_halves(height % side), _halves(width % side)]
        change = ops.pad(change, [(0, 0), *margins, (0, 0)])
        return self._at_border(change, epsilon)

    def move(self, change, epsilon, halved, draws):
        """Puts the pattern in one window, and empties another.

        See `SignedSquares.move` for the arguments.
        """
        height, width, channels = change.shape[1:]
        possible = sides(self.share, height, width, patterned=True)
        side = _chosen(possible, halved)
        # The window that the pattern goes to, and the one whose norm it takes.
        first, second = (
            offsets(draws["corners"][:, i], side, height, width)
            for i in range(2)
        )
        # Masks `(batch, height, width, 1)` in place of slices: each image has
        # windows of its own, of a size that depends on its own count of
        # queries.
        into, out_of = (inside(*p, side)[..., None] for p in (first, second))
        table = pattern_table(possible, self.power)
        fresh = placed(table, halved, *first, draws["flip"] > 0.5)[..., None]
        fresh = fresh * _signs(draws["signs"])[:, None, None, :]
        # The new pattern is added to what the window holds, each of length
        # one, and scaled to all that the two windows may spend.
        fresh = fresh + self._unit(ops.where(into, change, 0.0))
        fresh = self._unit(ops.where(into, fresh, 0.0))
        # What the two windows hold in each channel, and an equal part of what
        # is left until the border, in powers of the norm: squares in l2.
        held = self._mass(ops.where(into | out_of, change, 0.0), (1, 2))
        left = epsilon**self.power - self._mass(change, (1, 2, 3))
        budget = ops.maximum(left, 0.0) / channels + held
        budget = budget ** (1.0 / self.power)
        # In l1 the authors' code spends this many times more. The projection
        # takes back what is too much.
        if self.power == 1:
            budget = budget * channels
        change = ops.where(out_of, 0.0, change)
        change = ops.where(into, fresh * budget, change)
        return self._at_border(change, epsilon)

    def _at_border(self, change, epsilon):
        # In l1 the projection does it: it leaves few pixels and large ones.
        if self.power == 1:
            return change
        length = ops.sqrt(self._mass(change, (1, 2, 3)))
        return change * (epsilon / (length + _TINY))

    def _unit(self, change):
        """Scales a change to a norm of one in each channel."""
        length = self._mass(change, (1, 2)) ** (1.0 / self.power)
        return change / (length + _TINY)

    def _mass(self, change, axes):
        powers = ops.abs(change) ** self.power
        return ops.sum(powers, axis=axes, keepdims=True)


def _signs(uniform):
    return ops.where(uniform < 0.5, -1.0, 1.0)


def _chosen(possible, halved):
    return ops.take(ops.convert_to_tensor(possible), halved)


def _halves(length):
    return (length // 2, length - length // 2)


# Without compilation each query would compute the patterns again.
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

    Values outside of the window mean nothing.

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
    # The table as one row: pattern after pattern, each row by row. So `index`
    # is the pattern's place plus that of the pixel in it; rows and columns
    # change roles in a transposed one. Pixels outside of the window are clipped
    # to some value that is not used.
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
    # The ring k, counted from 1 in the middle, adds 1 / k^2 in l2 and 1 / k^4
    # in l1, as in the authors' code.
    steps = 1.0 / np.arange(1, rings + 1) ** (4.0 / power)
    # At the middle the sum of all, at the border the last alone.
    heights = np.cumsum(steps[::-1])[::-1]
    return _normalized(heights[ring], power)


def _normalized(values, power):
    size = (abs(values) ** power).sum() ** (1.0 / power)
    return values / size if values.size else values


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
        # Where in the published schedule this query stands.
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
        # `first` is where the window begins, one of `free` pixels that are
        # equally likely. Numbers are negative before it, and `side` or more
        # behind the window.
        free = ops.cast(length - side + 1, "float32")
        first = ops.cast(ops.floor(chosen * free), "int32")
        return ops.arange(length, dtype="int32")[None] - first[:, None]

    rows, columns = along(height, corner[:, 0]), along(width, corner[:, 1])
    return rows[:, :, None], columns[:, None, :]


def inside(rows, columns, side):
    """Tells which pixels lie in the window, `(batch, height, width)`."""
    side = side[:, None, None]
    return (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
