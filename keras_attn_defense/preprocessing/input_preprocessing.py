"""From images to the values that pretrained weights expect."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers
from keras import ops

from .._registration import register
from .._typing import Tensor
from ..classifier import full_precision
from ..data import along_channels
from ..data import channel_axis


@register
class InputPreprocessing(layers.Layer):
    """Multiplies each channel of images by a factor and adds an offset.

    It computes in float32 whatever the policy, so that images are not rounded
    before an attack can see what it does to them.

    Args:
        scale: The factor, one number or one for each channel.
        offset: What is added then, one number or one for each channel.
        reverse_channels: Whether RGB is made BGR first. `scale` and `offset`
            are in the new order.
        name: Name of the layer.

    Example:

    ```python
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.2, 0.1])
    normalized = kad.preprocessing.InputPreprocessing(1 / std, -mean / std)
    classifier = kad.preprocessing.with_preprocessing(
        model, normalized, value_range=(0, 1)
    )
    ```
    """

    def __init__(
        self,
        scale: float | Sequence[float] = 1.0,
        offset: float | Sequence[float] = 0.0,
        reverse_channels: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.scale = _numbers("scale", scale)
        self.offset = _numbers("offset", offset)
        self.reverse_channels = reverse_channels
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        """Images `(batch, height, width, channels)` as the weights expect."""
        images = full_precision(images)
        if self.reverse_channels:
            images = ops.flip(images, axis=channel_axis())
        scale, offset = (
            ops.convert_to_tensor(along_channels(each), images.dtype)
            for each in (self.scale, self.offset)
        )
        return images * scale + offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "offset": self.offset,
            "reverse_channels": self.reverse_channels,
            "name": self.name,
        }


def linear_map(source: Any, target: Any) -> tuple[float, float]:
    """`(scale, offset)` that take one range of values to another."""
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return scale, target[0] - scale * source[0]


def _numbers(name, value):
    """A float, or a list of floats."""
    try:
        numbers = np.asarray(value, "float64")
    except (TypeError, ValueError):
        numbers = np.full((1, 1), np.nan)
    if numbers.ndim > 1 or not np.isfinite(numbers).all():
        raise ValueError(
            f"`{name}` should be a finite number, or one for each channel. "
            f"Received: {name}={value!r}"
        )
    return numbers.tolist()
