"""The starts of Square and its next tries, in each norm.

Images are channels last here; a change is the image less the clean one.
"""

import keras
from keras import ops

from .patterns import pattern
from .patterns import pattern_table
from .patterns import placed
from .windows import inside
from .windows import offsets
from .windows import sides

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
        tile = ops.convert_to_tensor(pattern(side, self.power))
        tiles = (batch, rows, 1, columns, 1)
        change = ops.where(
            keras.random.uniform((*tiles, 1), seed=seed) > 0.5,
            ops.transpose(tile)[:, None, :, None],
            tile[:, None, :, None],
        )
        signs = _signs(keras.random.uniform((*tiles, channels), seed=seed))
        filled = (-1, rows * side, columns * side, channels)
        change = ops.reshape(change * signs, filled)
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
        first, second = (
            offsets(draws["corners"][:, i], side, height, width)
            for i in range(2)
        )
        into, out_of = (inside(*p, side)[..., None] for p in (first, second))
        table = pattern_table(possible, self.power)
        fresh = placed(table, halved, *first, draws["flip"] > 0.5)[..., None]
        fresh = fresh * _signs(draws["signs"])[:, None, None, :]
        # The new pattern is added to what the window holds, each of length
        # one, and scaled to all that the two windows may spend.
        fresh = fresh + self._unit(ops.where(into, change, 0.0))
        fresh = self._unit(ops.where(into, fresh, 0.0))
        # What both windows hold, and what is left until the border.
        held = self._mass(ops.where(into | out_of, change, 0.0), (1, 2))
        left = epsilon**self.power - self._mass(change, (1, 2, 3))
        budget = ops.maximum(left, 0.0) / channels + held
        budget = budget ** (1.0 / self.power)
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
