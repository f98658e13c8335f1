"""Bounding boxes as masks."""

import numpy as np

from ..datasets.boxes import box_array
from ..datasets.boxes import checked_boxes


def object_masks(boxes, size):
    """Returns the positions of the objects as masks.

    Args:
        boxes: `(batch, 4)`, `(batch, n, 4)` or a list of `(k, 4)`: `(x_min,
            y_min, x_max, y_max)` in fractions of width and height, the right
            and bottom corner exclusive. Rows of NaN or -1 are padding.
            Alternatively, masks `(batch, height, width)` of zeros and ones.
        size: `(height, width)` of the maps.

    Returns:
        Masks `(batch, height, width)` of booleans, one for each image.

    Raises:
        ValueError: If boxes or masks have another form, lie outside of the
            image, or leave an image without any position.
    """
    values = box_array(boxes)
    if values.ndim in (2, 3) and values.shape[-1] == 4:
        masks = _rasterized(checked_boxes(values), size)
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


def _rasterized(boxes, size):
    """Marks the positions whose centers lie in a box."""
    height, width = size
    x = (np.arange(width) + 0.5) / width
    y = (np.arange(height) + 0.5) / height
    left, top, right, bottom = (boxes[..., i, None] for i in range(4))
    # A box is an outer product of its rows and columns; an image has the union
    # of its boxes. Padding, which is -1, covers no center.
    columns = (x >= left) & (x < right)
    rows = (y >= top) & (y < bottom)
    return (rows[..., :, None] & columns[..., None, :]).any(1)


def _binary(masks):
    """Checks masks of zeros and ones, and returns booleans."""
    if not np.isin(masks, (0, 1)).all():
        raise ValueError(
            "Masks should hold zeros and ones only. Received values from "
            f"{masks.min()} to {masks.max()}."
        )
    return masks.astype(bool)
