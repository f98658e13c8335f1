"""Read from a keras-hub task what is done to its images."""

import numpy as np
from keras import ops

from ..data import along_channels
from ..data import side_axes


def converter_of(task, shape):
    """Reads what a task's preprocessor does to the values of images.

    Args:
        task: A keras-hub image classifier with a preprocessor.
        shape: Shape of its input, without the batch.

    Returns:
        `(scale, offset)`, and the shape of images that are not resized by it.

    Raises:
        ValueError: If the preprocessor does anything else to values.
    """
    preprocessor = task.preprocessor
    # A plain `Rescaling` is a converter itself.
    converter = getattr(preprocessor, "image_converter", preprocessor)
    scale = getattr(converter, "scale", None)
    offset = getattr(converter, "offset", None)
    found = (1.0 if scale is None else scale, 0.0 if offset is None else offset)
    shape = _with_size(shape, getattr(converter, "image_size", None))
    _check(task, found, shape)
    return found, shape


def _with_size(shape, size):
    if size is None:
        return shape
    whole = [None, *shape]
    whole[side_axes()] = size
    return tuple(whole[1:])


def _check(task, found, shape):
    """A converter may be of a class that does more, or another function."""
    sides = [side or 32 for side in shape]
    images = np.random.default_rng(0).uniform(0, 255, (2, *sides))
    images = images.astype("float32")
    scale, offset = (along_channels(each) for each in found)
    converted = ops.convert_to_numpy(task.preprocessor(images))
    expected = images * scale + offset
    if not np.allclose(converted, expected, rtol=1e-3, atol=1e-3):
        raise ValueError(
            f"The preprocessor of '{task.name}' does more to the values of "
            "images than to scale and shift them, or does something else. "
            "Pass as `preprocessing` a Keras layer that does the same."
        )
