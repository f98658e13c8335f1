"""The form in which every loader returns its data."""

from typing import NamedTuple

import numpy as np


class ImageSplit(NamedTuple):
    """One split (train or test) of an image classification set.

    It unpacks like a tuple: `images, labels, boxes = train`.

    Args:
        images: float32 array of shape `(N, H, W, C)` in `[0, 1]`.
        labels: int32 array of shape `(N,)`, class indices from 0.
        boxes: float32 array of shape `(N, 4)`, or `(N, n, 4)` for up to `n`
            boxes in each image, padded with rows of -1; `None` if the set has
            no boxes. A row is `(x_min, y_min, x_max, y_max)` in fractions of
            the image's width and height. The right and bottom corner is
            exclusive: a box over the pixel columns 3 to 5 of an image of width
            10 has `x_min = 0.3` and `x_max = 0.6`.

    Example:

    ```python
    train, test = kad.datasets.load_digit_scenes(num_train=100, num_test=20)
    train.images.shape  # (100, 32, 32, 3)
    images, labels, boxes = test
    ```
    """

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray | None = None
