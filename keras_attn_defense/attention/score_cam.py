"""Class activation maps whose weights are scores, not gradients."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import scipy
from keras import ops

from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..classifier import check_count
from .black_box import BlackBox
from .black_box import at_hand
from .feature_method import FeatureMethod
from .resizing import upsampled


@register
class ScoreCAM(FeatureMethod):
    """Score-CAM: channels weighted by the class's logit on what they show.

    Each channel, brought to the size of the image and between 0 and 1, is
    multiplied with the image; the softmax over the channels of the class's
    logits of these images are the weights. That is one pass of the model for
    each channel and image, outside of any compiled step: no gradient flows
    through the map.

    Args:
        layer: As in `FeatureMethod`, as are the others.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        channels: How many channels are used: those that vary most over the
            positions of each image. None means all.
        batch_size: Images in one call of the model.
        grid: The map that the tokens of a vision transformer form.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.ScoreCAM(channels=4, model=model)(x, y)
    ```

    Reference:
        [Wang et al., 2020](https://arxiv.org/abs/1910.01279), algorithm 1.
    """

    differentiable = False
    uses_gradients = False

    def __init__(
        self,
        layer: keras.layers.Layer
        | str
        | Sequence[keras.layers.Layer | str]
        | None = None,
        normalization: str | None = "max",
        upsample: bool = True,
        *,
        channels: int | None = None,
        batch_size: int = 128,
        grid: tuple[int, int] | None = None,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            layer, normalization, upsample, grid=grid, model=model, name=name
        )
        if channels is not None:
            channels = check_count("channels", channels)
        self.channels = channels
        self.black_box = BlackBox(batch_size)
        self.batch_size = self.black_box.batch_size

    def read(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor,
        training: bool,
    ) -> Any:
        at_hand(images, "ScoreCAM")
        with classifier.untouched():
            return super().read(classifier, images, labels, False)

    def raw_maps(
        self, classifier: Classifier, images: Tensor, reading: Any
    ) -> Any:
        images = at_hand(images, "ScoreCAM")
        classes = ops.convert_to_numpy(reading.classes)
        return [
            ops.stack(
                [
                    self._raw_map(classifier, *each)
                    for each in zip(images, classes, features, strict=True)
                ]
            )
            for features in map(ops.convert_to_numpy, reading.features)
        ]

    def _raw_map(self, classifier, image, label, features):
        order = np.argsort(-features.std((0, 1)), kind="stable")
        channels = features.transpose(2, 0, 1)[order[: self.channels]]
        logits = np.concatenate(
            [
                self.black_box.logits(classifier, _shown(image, some))[:, label]
                for some in _chunks(channels, self.batch_size)
            ]
        )
        # A common offset, such as the logit of a black image, cancels out.
        weights = scipy.special.softmax(logits.astype("float64"))
        return np.tensordot(weights, channels, axes=1).astype("float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "batch_size": self.batch_size,
        }


def _chunks(rows, size):
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def _shown(image, channels):
    """The image seen through each channel `(number, h, w)`."""
    whole = ops.convert_to_tensor(image[None])
    shades = ops.convert_to_numpy(
        upsampled(ops.convert_to_tensor(channels, "float32"), whole)
    )
    low = shades.min((1, 2), keepdims=True)
    extent = shades.max((1, 2), keepdims=True) - low
    shades = (shades - low) / np.where(extent > 0, extent, 1.0)
    first = keras.config.image_data_format() == "channels_first"
    return image * np.expand_dims(shades, 1 if first else -1)
