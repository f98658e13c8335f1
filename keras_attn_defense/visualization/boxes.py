"""Boxes around objects, in fractions of the image."""

import numpy as np


def boxes_by_image(boxes, num):
    """Checks boxes.

    Args:
        boxes: `(x_min, y_min, x_max, y_max)` in fractions of width and height:
            one for each image, `(num, 4)`, or a list of `(k, 4)` with any
            number for each; or None.
        num: Number of images.

    Returns:
        A list of arrays `(k, 4)`, or of None.
    """
    if boxes is None:
        return [None] * num
    return [_checked(each) for each in boxes]


def _checked(boxes):
    boxes = np.asarray(boxes, "float64")
    if boxes.size % 4 or boxes.ndim > 2 or not np.isfinite(boxes).all():
        raise ValueError(
            "`boxes` should be (x_min, y_min, x_max, y_max) for each image, "
            f"or an array (k, 4) of several. Received: {boxes.tolist()}"
        )
    boxes = boxes.reshape(-1, 4)
    inside = (boxes > -1e-6).all() and (boxes < 1 + 1e-6).all()
    if not inside or (boxes[:, 2:] <= boxes[:, :2]).any():
        raise ValueError(
            "Boxes should be (x_min, y_min, x_max, y_max) in fractions of the "
            "image's width and height, from 0 to 1, with min < max. Divide "
            f"pixels by the size of the image. Received: {boxes.tolist()}"
        )
    return boxes
