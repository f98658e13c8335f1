"""Look at data before the first step, without losing any."""

import keras
import numpy as np

from ..classifier import check_images
from ..classifier import check_labels
from ..classifier.checks import check_contrast
from ..datasets.blocks import check_columns


def first_batch(x, y):
    """Reads what `fit` is about to train on first.

    Args:
        x: Whatever `fit` takes as `x`.
        y: Whatever `fit` takes as `y`, or a list of labels.

    Returns:
        `x` and `y` to train on: the same, an array for a list of labels, and
        for a generator an equal one, as its first batch cannot be read twice;
        and the images and labels of the first batch, or of everything where
        `x` is an array. They are None where there is no batch, or none that
        can be looked into.
    """
    if hasattr(x, "shape"):
        y = np.asarray(y) if isinstance(y, (list, tuple)) else y
        batch = (x, y)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    elif hasattr(x, "__next__"):
        batch = next(x, None)
        x = x if batch is None else _again(batch, x)
    elif hasattr(x, "__iter__") and not isinstance(x, (list, tuple, str)):
        batch = next(iter(x), None)
    else:
        raise ValueError(
            "Expected images, an array or a tensor of shape (num, height, "
            "width, channels), or a data set of (images, labels) batches. "
            f"Received: {type(x).__name__}. Make an array of a list: "
            "`np.asarray(images)`."
        )
    check_columns(batch)
    images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    if not hasattr(images, "shape"):
        images = labels = None
    return x, y, images, labels


def check_batch(images, labels, value_range, num_classes):
    """Checks a batch before anything is trained on it.

    Args:
        images: `(batch, height, width, channels)`.
        labels: Class indices or one-hot labels, or None.
        value_range: `(lower, upper)` bounds of the images.
        num_classes: Number of classes.

    Raises:
        ValueError: If images or labels are not what the model expects.
    """
    check_images(images, value_range)
    check_contrast(images, value_range)
    if labels is None:
        raise ValueError(
            "Adversarial training needs labels. Received images only; pass "
            "`y`, or a data set of (images, labels)."
        )
    _check_numbers(labels)
    check_labels(labels, num_classes, len(images))


def _check_numbers(labels):
    if hasattr(labels, "detach"):  # A PyTorch tensor, on any backend.
        return
    values = np.asarray(labels).ravel()
    if values.dtype.kind not in "biuf":
        raise ValueError(
            "Labels should be numbers: the index of the class, or one-hot. "
            f"Received: {values[:3].tolist()}. To number the names: "
            "`names, y = np.unique(y, return_inverse=True)`."
        )


def _again(first, rest):
    # Keras recognises generators by their type.
    yield first
    yield from rest
