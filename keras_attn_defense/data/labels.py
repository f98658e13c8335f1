"""Checks and conversions of labels."""

import numpy as np
from keras import ops

from .._typing import Tensor
from .arrays import check_numeric
from .arrays import to_numpy


def check_labels(
    labels: Tensor, num_classes: int, batch_size: int | None
) -> None:
    """Checks labels that have values.

    Args:
        labels: Integers `(batch,)` or `(batch, 1)`, or one-hot (or soft)
            labels `(batch, classes)`.
        num_classes: Number of classes; None if it is not known.
        batch_size: Number of images.

    Raises:
        ValueError: If shapes do not fit or labels are not among the classes.
    """
    values = to_numpy(labels)
    _check_shape(values.shape, num_classes)
    check_numeric("Labels", values)
    if len(values) != batch_size:
        raise ValueError(
            f"Received {batch_size} images and {len(values)} labels. Expected "
            "one label for each image."
        )
    if _is_one_hot(values.shape, num_classes):
        # Written so that NaN, which compares false, is refused too.
        sums = values.sum(-1)
        if not ((values >= -1e-6).all() and (abs(sums - 1) <= 1e-3).all()):
            raise ValueError(
                "One-hot or soft labels should be non-negative and sum to one "
                f"for each image. Received sums from {sums.min()} to "
                f"{sums.max()}, and a lowest value of {values.min()}."
            )
        return
    if not np.equal(values, np.floor(values)).all():
        raise ValueError(
            "Labels should be whole numbers, the index of the class; soft "
            "labels have a column for each class. Received "
            f"{values.reshape(-1)[:4]}."
        )
    if num_classes is None or not values.size:
        return
    if values.min() < 0 or values.max() >= num_classes:
        raise ValueError(
            f"Labels should lie in 0 to {num_classes - 1}, as the model has "
            f"{num_classes} classes. Received labels from {values.min()} to "
            f"{values.max()}."
        )


def class_indices(labels: Tensor, num_classes: int) -> Tensor:
    """Turns integer, one-hot or soft labels into class indices `(batch,)`."""
    labels = ops.convert_to_tensor(labels)
    _check_shape(labels.shape, num_classes)
    if _is_one_hot(labels.shape, num_classes):
        return ops.cast(ops.argmax(labels, axis=-1), "int32")
    return ops.cast(ops.reshape(labels, (-1,)), "int32")


def class_probabilities(labels: Tensor, num_classes: int) -> Tensor:
    """Turns labels of any form into one-hot or soft ones, in float32.

    Args:
        labels: Integer, one-hot or soft labels.
        num_classes: Number of classes.

    Returns:
        `(batch, num_classes)`.
    """
    labels = ops.convert_to_tensor(labels)
    if has_columns(labels, num_classes):
        return ops.cast(labels, "float32")
    indices = class_indices(labels, num_classes)
    return ops.one_hot(indices, num_classes, dtype="float32")


def has_columns(labels: Tensor, num_classes: int) -> bool:
    """Tells whether labels are one-hot or soft, with a column a class."""
    return _is_one_hot(labels.shape, num_classes)


def _check_shape(shape, num_classes):
    shape = tuple(shape)
    columns = shape[1] if len(shape) == 2 else None
    if len(shape) == 1 or columns == 1 or _is_one_hot(shape, num_classes):
        return
    raise ValueError(
        "Labels should be class indices of shape (batch,) or (batch, 1), or "
        f"one-hot labels of shape (batch, {num_classes}). Received labels of "
        f"shape {shape}."
    )


def _is_one_hot(shape, num_classes):
    if len(shape) != 2 or shape[1] == 1:
        return False
    return num_classes in (None, shape[1])
