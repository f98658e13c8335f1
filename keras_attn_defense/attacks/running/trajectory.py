"""The way of images through an attack."""

import numpy as np
from keras import ops

from ...classifier.padding import padded_batches


def trajectory(images, labels, steps, follow, batch_size):
    """The clean images, then those after each step.

    Args:
        images: NumPy images `(N, height, width, channels)`.
        labels: NumPy class indices `(N,)`.
        steps: Number of steps.
        follow: Function from a batch of images and labels to an iterator over
            the images after each step.
        batch_size: Images of a batch.

    Returns:
        NumPy images `(steps + 1, N, height, width, channels)`.
    """
    path = np.empty((steps + 1, *images.shape), "float32")
    path[0] = images
    for rows, batch in padded_batches(images, labels, size=batch_size):
        for number, x_adv in enumerate(follow(*batch), start=1):
            kept = ops.convert_to_numpy(x_adv)[: rows.stop - rows.start]
            path[number, rows] = kept
    return path
