"""A layer that converts the images of clients to those of a model."""

from typing import Any

import keras
from keras import layers
from keras import ops

from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..data import check_value_range


@register
class ServingPreprocessing(layers.Layer):
    """Resizes images with values from 0 to 255 and scales them to a range.

    Args:
        size: `(height, width)` of the model's images; None does not resize.
        value_range: `(lower, upper)` bounds of the model's images.
        interpolation: How images are resized, `"bilinear"` or another name
            of `keras.layers.Resizing`.
        name: Name of the layer.

    Example:

    ```python
    preprocess = kad.preprocessing.ServingPreprocessing(
        (16, 16), value_range=(-1, 1)
    )
    bytes_of_client = np.zeros((1, 40, 30, 3), "uint8")
    images = preprocess(bytes_of_client)
    assert images.shape == (1, 16, 16, 3)
    np.testing.assert_allclose(images, -1.0)
    ```
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        value_range: ValueRange = (0.0, 1.0),
        interpolation: str = "bilinear",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.size = size and tuple(size)
        self.value_range = check_value_range(value_range)
        self.interpolation = interpolation
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        """Converts images `(batch, height, width, channels)`."""
        images = ops.cast(images, "float32")
        if self.size is not None:
            images = ops.image.resize(
                images,
                self.size,
                interpolation=self.interpolation,
                data_format=keras.config.image_data_format(),
            )
        lower, upper = self.value_range
        # Cubic interpolation goes beyond the range of the values.
        images = ops.clip(images / 255.0, 0.0, 1.0)
        return lower + (upper - lower) * images

    def get_config(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "value_range": self.value_range,
            "interpolation": self.interpolation,
            "name": self.name,
        }
