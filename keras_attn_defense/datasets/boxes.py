"""Bounding boxes of a whole split."""

import numpy as np

from .conversion import check_count


def check_boxes(boxes, name, num_images):
    """Boxes as float32 `(N, 4)` or `(N, n, 4)`.

    Args:
        boxes: An array; rows of -1 are padding.
        name: What the boxes are called in errors.
        num_images: The number of images.

    Raises:
        ValueError: If they have another shape, or are not fractions with the
            minima first.
    """
    is_number = np.issubdtype(boxes.dtype, np.number)
    if boxes.ndim not in (2, 3) or boxes.shape[-1] != 4 or not is_number:
        raise ValueError(
            f"`{name}` must be numbers of shape (N, 4), with rows (x_min, "
            "y_min, x_max, y_max), or (N, n, 4) for n boxes an image. "
            f"Received: shape={boxes.shape}, dtype={boxes.dtype}."
        )
    check_count(name, boxes, num_images)
    padding = (boxes == -1).all(-1) & (boxes.ndim == 3)
    drawn = boxes[~padding]
    in_range = (drawn >= 0) & (drawn <= 1)
    if not in_range.all() or not (drawn[:, :2] < drawn[:, 2:]).all():
        raise ValueError(
            f"`{name}` must hold fractions of width and height in [0, 1], with "
            "x_min < x_max and y_min < y_max. Received: values in "
            f"[{boxes.min()}, {boxes.max()}]. Divide pixels by the image's "
            "size, and order each row as (x_min, y_min, x_max, y_max)."
        )
    return boxes.astype("float32")


def padded_boxes(boxes):
    """Lists of boxes of different lengths in one array, padded with -1.

    Args:
        boxes: For each image an array `(4,)`, or for each `(n, 4)`.
    """
    if boxes[0].ndim == 1:
        return np.stack(boxes).astype("float32")
    most = max(map(len, boxes))
    padded = np.full((len(boxes), most, 4), -1.0, "float32")
    for row, its_boxes in zip(padded, boxes, strict=True):
        row[: len(its_boxes)] = its_boxes
    return padded
