"""A pretrained network that takes images as they are."""

from typing import Any
from typing import Self

import keras

from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..data import check_value_range


@register
class PreprocessedClassifier(keras.Model):
    """A classifier with its preprocessing in front; see `with_preprocessing`.

    Args:
        network: The classifier.
        preprocessing: The layer between images and `network`.
        value_range: `(lower, upper)` bounds of the images. Attacks and
            reports read it from here.
        input_shape: Shape `(height, width, channels)` of the images; sides
            may be None.
        name: Name of the model.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: keras.layers.Layer,
        value_range: ValueRange,
        input_shape: tuple[int | None, ...],
        name: str | None = None,
    ) -> None:
        images = keras.Input(tuple(input_shape), name="images")
        outputs = network(preprocessing(images))
        super().__init__(images, outputs, name=name)
        self.network = network
        self.preprocessing = preprocessing
        self.value_range = check_value_range(value_range)

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self._check_shape(tuple(inputs.shape))
        return super().__call__(inputs, *args, **kwargs)

    def _check_shape(self, shape):
        expected = self.input_shape
        fits = len(shape) == 4 and all(
            None in sides or sides[0] == sides[1]
            for sides in zip(shape[1:], expected[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"The classifier '{self.name}' takes images of shape "
                f"{expected}. Received: {shape}. Resize them first, for "
                "example with `keras.ops.image.resize`: an attack changes the "
                "pixels that the network gets. Or build the network for the "
                "size that they have (in keras-hub, set "
                "`task.preprocessor.image_converter.image_size`)."
            )

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        network = serialize(self.network)
        # This model is what is trained, if it is.
        network.pop("compile_config", None)
        return {
            "network": network,
            "preprocessing": serialize(self.preprocessing),
            "value_range": self.value_range,
            "input_shape": self.input_shape[1:],
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> Self:
        parts = {
            part: keras.saving.deserialize_keras_object(
                config[part], custom_objects
            )
            for part in ("network", "preprocessing")
        }
        return cls(**{**config, **parts})
