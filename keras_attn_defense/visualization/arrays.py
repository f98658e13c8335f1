"""Conversion of images and maps to arrays that can be drawn."""

import numpy as np
from keras import ops

from .._arguments import check_count
from ..attention.resizing import upsampled
from ..data import check_images
from ..data import check_value_range
from ..data import class_indices
from ..data import to_channels_last
from ..data import to_numpy


def image_range(images, value_range=None):
    """Returns the bounds of images.

    Where they are not given, they are 0 and 255 for bytes, 0 and 1 for others.
    """
    if value_range is None:
        value_range = (0, 255) if to_numpy(images).dtype == "uint8" else (0, 1)
    return check_value_range(value_range)


def displayed(images, value_range=None):
    """Converts images of any number of channels to red, green and blue.

    Args:
        images: `(N, height, width, channels)`, or channels first if Keras is
            configured that way. If there are not three channels, their mean
            is shown in gray.
        value_range: `(lower, upper)` bounds of the images. None means 0 to
            255 for bytes and 0 to 1 for others.

    Returns:
        Float32 `(N, height, width, 3)` from 0 to 1.
    """
    value_range = image_range(images, value_range)
    images = to_numpy(images)
    check_images(images, value_range)
    images = to_channels_last(images).astype("float32")
    if images.shape[-1] != 3:
        images = np.repeat(images.mean(-1, keepdims=True), 3, axis=-1)
    lower, upper = value_range
    return np.clip((images - lower) / (upper - lower), 0, 1)


def scaled_maps(maps, images, limits=None):
    """Scales maps to values from 0 to 1 and to the size of the images.

    Args:
        maps: `(N, h, w)`, of any size.
        images: The images of the maps.
        limits: `(low, high)`, the values that become 0 and 1. None takes the
            lowest and the highest value of each map; a constant map becomes
            0, as nothing stands out in it.

    Returns:
        Float32 `(N, height, width)`.
    """
    maps = to_numpy(maps).astype("float32")
    if maps.ndim != 3 or len(maps) != len(images):
        raise ValueError(
            "`maps` should be one map (h, w) for each image, together an array "
            f"({len(images)}, h, w). Received an array of shape {maps.shape}."
        )
    if not np.isfinite(maps).all():
        raise ValueError(
            "`maps` contain NaN or infinite values, which have no color. "
            "Attention methods of this package return none: check the maps "
            "that you computed."
        )
    images = to_numpy(images)
    if limits is None:
        low = maps.min((1, 2), keepdims=True)
        high = maps.max((1, 2), keepdims=True)
    else:
        low, high = check_value_range(limits)
    # A constant map is divided by one, and becomes zero.
    span = np.where(high > low, np.subtract(high, low), 1)
    maps = np.clip((maps - low) / span, 0, 1)
    enlarged = to_numpy(upsampled(ops.convert_to_tensor(maps), images))
    return np.clip(enlarged, 0, 1)


def label_indices(labels):
    """Converts indices or one-hot labels to NumPy indices, and keeps None."""
    return None if labels is None else to_numpy(class_indices(labels, None))


def first(max_images):
    """Returns the slice of the images to draw.

    Args:
        max_images: Number of images, at least one.
    """
    return slice(check_count("max_images", max_images))


def check_lengths(num, **values):
    """Checks that there is one entry for each image.

    Args:
        num: Number of images.
        **values: Arrays or lists by the names of their arguments, or None.

    Raises:
        ValueError: If there is not, or there are no images.
    """
    if num == 0:
        raise ValueError("There are no images to draw. Received: 0 images.")
    for name, each in values.items():
        if each is not None and len(each) != num:
            raise ValueError(
                f"`{name}` should have one entry for each of the {num} images. "
                f"Received: {len(each)} entries."
            )
