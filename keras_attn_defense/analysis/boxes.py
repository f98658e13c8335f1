"""Bounding boxes as masks."""

import numpy as np

# Corners computed in float32 may lie this far outside.
_ROUNDING = 1e-3


def object_masks(boxes, size):
    """Where the objects are.

    Args:
        boxes: `(batch, 4)` or `(batch, n, 4)`: `(x_min, y_min, x_max, y_max)`
            in fractions of width and height, the right and bottom corner
            exclusive. Rows of NaN or -1 are padding. Or masks `(batch, height,
            width)` of zeros and ones.
        size: `(height, width)` of the maps.

    Returns:
        Masks `(batch, height, width)` of booleans, one for each image.

    Raises:
        ValueError: If boxes or masks have another form, lie outside of the
            image, or leave an image without any position.
    """
    values = np.asarray(boxes)
    if values.ndim >= 2 and values.shape[-1] == 4 and values.ndim <= 3:
        masks = _drawn(_checked(values.astype("float64")), size)
    elif values.ndim == 3 and values.shape[1:] == tuple(size):
        masks = _binary(values)
    else:
        raise ValueError(
            "`boxes` should be boxes (batch, 4) or (batch, n, 4), or masks of "
            f"the size of the maps, {tuple(size)}. Received an array of shape "
            f"{values.shape}."
        )
    empty = ~masks.any((1, 2))
    if empty.any():
        raise ValueError(
            f"Image {int(empty.argmax())} has no object: its boxes are empty "
            f"or cover no position of a map of size {tuple(size)}. Leave the "
            "image out, or use maps at the size of the images."
        )
    return masks


def _checked(boxes):
    boxes = boxes.reshape(len(boxes), -1, 4)
    padding = (np.isnan(boxes) | (boxes == -1)).all(-1, keepdims=True)
    outside = (boxes < -_ROUNDING) | (boxes > 1 + _ROUNDING) | np.isnan(boxes)
    wrong = (outside & ~padding).any((1, 2))
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(
            "`boxes` should be (x_min, y_min, x_max, y_max) in fractions of "
            f"width and height, from 0 to 1. Received for image {index}: "
            f"{boxes[index].tolist()}. Divide pixels by the size of the image."
        )
    turned = (boxes[..., 2:] < boxes[..., :2]).any(-1) & ~padding[..., 0]
    if turned.any():
        index = int(turned.any(-1).argmax())
        raise ValueError(
            "`boxes` should be (x_min, y_min, x_max, y_max), minima first. "
            f"Received for image {index}: {boxes[index].tolist()}."
        )
    return np.where(padding, 0.0, boxes)


def _drawn(boxes, size):
    """A position belongs to a box that its centre lies in."""
    height, width = size
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    left, top, right, bottom = (boxes[..., i, None] for i in range(4))
    columns = (x >= left) & (x < right)
    rows = (y >= top) & (y < bottom)
    return (rows[..., :, None] & columns[..., None, :]).any(1)


def _binary(masks):
    if not np.isin(masks, (0, 1)).all():
        raise ValueError(
            "Masks should hold zeros and ones only. Received values from "
            f"{masks.min()} to {masks.max()}."
        )
    return masks.astype(bool)
