"""Checks of images and labels, with errors that say how to mend them."""

import keras
import numpy as np
from keras import ops

from .._typing import Tensor
from .._typing import ValueRange
from .arguments import check_number

_RANK = (
    "Images should be a batch of rank 4, (batch, height, width, channels). "
    "Received an array of shape {shape}. A single image needs a batch axis: "
    "`images[None]`."
)


def check_value_range(value_range: ValueRange) -> ValueRange:
    """Returns `value_range` as two floats in ascending order."""
    try:
        lower, upper = (
            check_number("value_range", bound, lowest=-np.inf)
            for bound in value_range
        )
    except (TypeError, ValueError):
        lower = upper = 0.0
    if not lower < upper:
        raise ValueError(
            "`value_range` should be the lowest and the highest value an image "
            f"can have, such as (0.0, 1.0) or (0, 255). Received: {value_range}"
        )
    return lower, upper


def check_images(images: Tensor, value_range: ValueRange) -> None:
    """Checks the values of a batch of images that are at hand.

    Args:
        images: NumPy array or tensor `(batch, height, width, channels)`.
        value_range: `(lower, upper)`, the bounds of its values.

    Raises:
        ValueError: If the rank is not 4, there are none, or values are not
            finite or outside of `value_range`.
    """
    values = images if isinstance(images, np.ndarray) else _numpy(images)
    if values.ndim != 4:
        raise ValueError(_RANK.format(shape=values.shape))
    if values.size == 0:
        raise ValueError(
            "Expected at least one image. Received images of shape "
            f"{values.shape}."
        )
    _check_numbers("Images", values)
    lower, upper = value_range
    lowest, highest = float(values.min()), float(values.max())
    if not np.isfinite([lowest, highest]).all():
        finite = np.isfinite(values).reshape(len(values), -1).all(-1)
        which = np.flatnonzero(~finite)
        several = len(which) > 1
        listed = ", ".join(map(str, which[:5])) + (", ..." * (len(which) > 5))
        raise ValueError(
            f"Images contain NaN or infinite values: image{'s' * several} "
            f"{listed} of {len(values)}, counted from 0. Leave such images out."
        )
    slack = 1e-5 * (upper - lower)  # Rounding of a rescaling.
    if lowest < lower - slack or highest > upper + slack:
        raise ValueError(
            f"Images should lie in value_range=({lower}, {upper}). Received "
            f"values from {lowest} to {highest} ({values.dtype}). Either "
            "rescale the images, or pass the `value_range` they have, such as "
            "value_range=(0, 255)."
        )


def check_contrast(images: np.ndarray, value_range: ValueRange) -> None:
    """Checks that a batch fills more than a sliver of its value range.

    What does not was divided by 255 once too often, or the range once too
    seldom; an attack would then be far stronger than its epsilon says.

    Args:
        images: NumPy array or tensor of images.
        value_range: `(lower, upper)` bounds of its values.

    Raises:
        ValueError: If all values lie within 1/128 of the range, though they
            differ.
    """
    values = images if isinstance(images, np.ndarray) else _numpy(images)
    lower, upper = value_range
    if values.size == 0:
        return
    lowest, highest = float(values.min()), float(values.max())
    if 0 < highest - lowest <= (upper - lower) / 128:
        raise ValueError(
            f"Images fill next to nothing of value_range=({lower}, {upper}). "
            f"Received values from {lowest} to {highest} ({values.dtype}). "
            "Pass the range that they have, such as value_range=(0, 1), or "
            "look for a division too many."
        )


def as_images(images: Tensor, value_range: ValueRange) -> Tensor:
    """Turns a batch of images into a float32 tensor; in compiled steps too.

    Args:
        images: NumPy array or tensor `(batch, height, width, channels)`.
        value_range: `(lower, upper)` bounds of its values.

    Raises:
        ValueError: If the rank is not 4, or images of bytes cannot lie in
            `value_range`.
    """
    images = ops.convert_to_tensor(images)
    try:
        len(images.shape)
    except ValueError as error:  # A `tf.data` set that does not tell.
        raise ValueError(
            "The data set does not say how many axes its images have. Tell "
            "it: `output_signature=` with `tf.TensorSpec((None, height, "
            "width, channels))`, or `dataset.map(lambda x, y: "
            "(tf.ensure_shape(x, (None, height, width, channels)), y))`."
        ) from error
    if len(images.shape) != 4:
        raise ValueError(_RANK.format(shape=tuple(images.shape)))
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        if value_range[1] - value_range[0] < 128:
            raise ValueError(
                "Images of type uint8 go from 0 to 255, but the model expects "
                f"value_range={value_range}. Either divide them by 255, or "
                "pass value_range=(0, 255)."
            )
    return ops.cast(images, "float32")


def check_labels(
    labels: Tensor, num_classes: int, batch_size: int | None
) -> None:
    """Checks labels that are at hand.

    Args:
        labels: Integers `(batch,)` or `(batch, 1)`, or one-hot (or soft)
            labels `(batch, classes)`.
        num_classes: Number of classes; None if it is not known.
        batch_size: Number of images.

    Raises:
        ValueError: If shapes do not fit or labels are not among the classes.
    """
    values = labels if isinstance(labels, np.ndarray) else _numpy(labels)
    _check_shape(values.shape, num_classes)
    _check_numbers("Labels", values)
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


def _check_numbers(what, values):
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{what} should be numbers. Received an array of type "
            f"{values.dtype}. Convert it, such as with "
            "`values.astype('float32')`."
        )


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


def _numpy(values):
    return np.asarray(ops.convert_to_numpy(ops.convert_to_tensor(values)))
