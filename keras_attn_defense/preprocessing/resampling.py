"""Crops and scales of images, another for each, as products of matrices.

A new row is a mean of two old ones: `rows @ image @ columns^T`. So places and
sizes may be tensors, and gradients pass.
"""

import numpy as np
from keras import ops


def resampled(images, rows, columns):
    """Applies weights of old rows and columns to images.

    Args:
        images: `(batch, height, width, channels)`.
        rows: `(batch, new height, height)`.
        columns: `(batch, new width, width)`.
    """
    size, channels = images.shape[1:3], images.shape[3]
    new = rows.shape[1], columns.shape[1]
    x = ops.reshape(images, (-1, size[0], size[1] * channels))
    x = ops.reshape(ops.matmul(rows, x), (-1, new[0], size[1], channels))
    x = ops.transpose(x, (0, 2, 1, 3))
    x = ops.reshape(x, (-1, size[1], new[0] * channels))
    x = ops.reshape(ops.matmul(columns, x), (-1, new[1], new[0], channels))
    return ops.transpose(x, (0, 2, 1, 3))


def part_as_whole(start, length, old, new):
    """Weights that stretch a part of a side over the whole of a new one.

    Args:
        start: Where the part begins, `(batch,)`, in old values.
        length: How long it is, the same.
        old: Length of the old side.
        new: Length of the new side.

    Returns:
        `(batch, new, old)`.
    """
    place = _centers(new)[None] * (length / new)[:, None] + start[:, None]
    first, last = start, start + length - 1.0
    return _between(place - 0.5, first, last, old)


def whole_as_part(start, length, old, new):
    """Weights that shrink a whole side to a part of a new one.

    Args:
        start: Where the part begins, `(batch,)`, in new values.
        length: How long it is, the same.
        old: Length of the old side.
        new: Length of the new side.

    Returns:
        `(batch, new, old)`; zero outside of the part.
    """
    inside = _centers(new)[None] - start[:, None]
    nothing = ops.zeros_like(start)
    weights = _between(
        inside * (old / length)[:, None] - 0.5,
        nothing,
        nothing + old - 1.0,
        old,
    )
    is_inside = (inside > 0) & (inside < length[:, None])
    return weights * ops.cast(is_inside, weights.dtype)[:, :, None]


def shrunk(images, scale, places):
    """Shrinks each image to a size of its own; the rest is zero.

    Args:
        images: `(batch, height, width, channels)`.
        scale: The new sides as a share of the old, `(batch,)`.
        places: Where it is put, `(2, batch)`, from 0 (top, left) up to 1.
    """
    weights = []
    for number, side in enumerate(check_sides(images.shape[1:3])):
        length = ops.maximum(ops.round(scale * side), 1.0)
        start = ops.floor(places[number] * (side - length + 1.0))
        weights.append(whole_as_part(start, length, side, side))
    return resampled(images, *weights)


def check_sides(sides):
    """Returns height and width; a `ValueError` if they are not known."""
    if None in sides:
        raise ValueError(
            "Images are resized here, which needs their height and width. "
            f"Received images with sides {tuple(sides)}: build the model for "
            "one size."
        )
    return tuple(sides)


def _centers(length):
    return ops.convert_to_tensor(np.arange(length) + 0.5, dtype="float32")


def _between(place, first, last, old):
    """Weights of linear interpolation at places between two bounds."""
    place = ops.clip(place, first[:, None], last[:, None])
    grid = ops.convert_to_tensor(np.arange(old), dtype="float32")
    return ops.relu(1.0 - ops.abs(place[:, :, None] - grid[None, None]))
