"""Where the channels of images are: last, or first if Keras is set so."""

from typing import Any

import keras
import numpy as np
from keras import ops

from .._typing import Tensor


def channel_axis() -> int:
    """Returns the axis of the channels of a batch: 1 or -1."""
    return 1 if _is_first(None) else -1


def side_axes(data_format: str | None = None) -> slice:
    """Returns the slice of height and width in the shape of a batch.

    Args:
        data_format: That of a layer, or None for that of Keras.
    """
    return slice(2, 4) if _is_first(data_format) else slice(1, 3)


def image_size(images: Tensor) -> Any:
    """Returns `(height, width)` of a batch of images; in graphs too."""
    return ops.shape(images)[side_axes()]


def along_channels(numbers: Any) -> np.ndarray:
    """Shapes one number, or one a channel, so that images broadcast with it."""
    return np.reshape(numbers, (-1, 1, 1) if _is_first(None) else (1, 1, -1))


def to_channels_last(images: Tensor, data_format: str | None = None) -> Tensor:
    """Moves the channels of a batch to the end.

    Args:
        images: NumPy array or tensor.
        data_format: That of a layer, or None for that of Keras.
    """
    return _moved(images, 1, -1) if _is_first(data_format) else images


def from_channels_last(images: Tensor) -> Tensor:
    """Moves the channels of a batch from the end to where Keras has them.

    Args:
        images: NumPy array or tensor `(batch, height, width, channels)`.
    """
    return _moved(images, -1, 1) if _is_first(None) else images


def _is_first(data_format):
    found = data_format or keras.config.image_data_format()
    return found == "channels_first"


def _moved(images, source, destination):
    move = np.moveaxis if isinstance(images, np.ndarray) else ops.moveaxis
    return move(images, source, destination)
