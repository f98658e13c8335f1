"""Checks of images, with errors that say how to mend them."""

import keras
import numpy as np
from keras import ops

from .._typing import Tensor
from .._typing import ValueRange
from .arrays import check_numeric
from .arrays import to_numpy

_RANK = (
    "Images should be a batch of rank 4, (batch, height, width, channels). "
    "Received an array of shape {shape}. A single image needs a batch axis: "
    "`images[None]`."
)


def check_images(images: Tensor, value_range: ValueRange) -> None:
    """Checks the values of a batch of images that has values.

    Args:
        images: NumPy array or tensor `(batch, height, width, channels)`.
        value_range: `(lower, upper)`, the bounds of its values.

    Raises:
        ValueError: If the rank is not 4, if there are no images, or if values
            are not finite or are outside of `value_range`.
    """
    values = to_numpy(images)
    if values.ndim != 4:
        raise ValueError(_RANK.format(shape=values.shape))
    if values.size == 0:
        raise ValueError(
            "Expected at least one image. Received images of shape "
            f"{values.shape}."
        )
    check_numeric("Images", values)
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

    One that does not was probably divided by 255 twice, or belongs to another
    range; an attack would then be far stronger than its epsilon says.

    Args:
        images: NumPy array or tensor of images.
        value_range: `(lower, upper)` bounds of its values.

    Raises:
        ValueError: If all values lie within 1/128 of the range, though they
            differ.
    """
    values = to_numpy(images)
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
