"""Sums of absolute values: projection on a ball, and sparse directions."""

import math

from keras import ops


def shrink(sizes, room, radius):
    """`clip(sizes - threshold, 0, room)`, the sum being at most `radius`.

    Of all lengths between 0 and `room` with such a sum, these are the closest
    to `sizes`. As the threshold falls from the largest size to zero, the sum
    grows piecewise linearly: a coordinate joins in at its size, and is full
    when its room is used up.

    Args:
        sizes: Absolute values, `(batch, size)`.
        room: Upper bounds, at least zero, `(batch, size)`.
        radius: The largest sum, `(batch, 1)` or `(1, 1)`.

    Returns:
        `(batch, size)`.

    Reference:
        [Croce and Hein, 2021](https://arxiv.org/abs/2103.01208), section 3.
    """
    full = ops.maximum(sizes - room, 0.0)
    events = ops.concatenate([sizes, full], axis=-1)
    joins = ops.concatenate([ops.ones_like(sizes), -ops.ones_like(full)], -1)
    order = ops.argsort(-events, axis=-1)
    events, joins = (
        ops.take_along_axis(value, order, axis=-1) for value in (events, joins)
    )
    growing = ops.cumsum(joins, axis=-1)
    # The sum at each event.
    grown = growing[:, :-1] * (events[:, :-1] - events[:, 1:])
    grown = ops.pad(ops.cumsum(grown, axis=-1), [(0, 0), (1, 0)])
    below = ops.cast(grown < radius, "int32")
    last = ops.maximum(ops.sum(below, axis=-1, keepdims=True) - 1, 0)
    event, grown, growing = (
        ops.take_along_axis(value, last, axis=-1)
        for value in (events, grown, growing)
    )
    threshold = event - (radius - grown) / ops.maximum(growing, 0.5)
    shrunk = ops.clip(sizes - ops.maximum(threshold, 0.0), 0.0, room)
    # What rounding adds is taken away.
    total = ops.sum(shrunk, axis=-1, keepdims=True)
    return shrunk * ops.minimum(1.0, radius / ops.maximum(total, 1e-30))


def sparse_sign(gradient, share):
    """The signs of the largest values, divided by their number.

    Args:
        gradient: `(batch, height, width, channels)`.
        share: Share of the values that are kept, at least one; a number, or
            one for each image, `(batch,)`.

    Returns:
        A tensor of the shape of `gradient`, of l1 norm one.
    """
    sizes = ops.abs(gradient)
    ranked = ops.sort(flat(sizes), axis=-1)
    count = ranked.shape[-1]
    left_out = (1.0 - ops.reshape(share, (-1, 1))) * count
    index = ops.clip(ops.cast(left_out, "int32"), 0, count - 1)
    index = index + ops.zeros_like(ranked[:, :1], dtype="int32")
    smallest = ops.take_along_axis(ranked, index, axis=-1)[:, :, None, None]
    signs = ops.where(sizes >= smallest, ops.sign(gradient), 0.0)
    number = ops.sum(ops.abs(signs), axis=(1, 2, 3), keepdims=True)
    return ops.divide_no_nan(signs, number)


def flat(images):
    """Images as rows of values, `(batch, size)`."""
    return ops.reshape(images, (-1, math.prod(images.shape[1:])))
