"""Score-CAM attention maps."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import scipy
from keras import ops

from .._arguments import check_count
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..data import channel_axis
from .black_box_method import BlackBox
from .black_box_method import concrete_images
from .feature_method import ClassifierPass
from .feature_method import FeatureMethod
from .resizing import upsampled


@register
class ScoreCAM(FeatureMethod):
    """Score-CAM: channels weighted by scores instead of gradients.

    Each channel is resized to the image, scaled to values from 0 to 1 and
    multiplied with the image. The weights of the channels are the softmax of
    the class's logits on these images. That is one pass of the model for each
    channel and image, outside of any compiled step: no gradient flows through
    the map.

    Args:
        layer: The layer whose output is weighted; see `FeatureMethod`.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        channels: Number of channels to use: those that vary most over the
            positions of each image. None means all.
        batch_size: Number of images in one call of the model.
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
        normalization: str | None = "l2",
        upsample: bool = False,
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
        labels: Tensor | str | None,
        training: bool,
    ) -> ClassifierPass:
        concrete_images(images, "ScoreCAM")
        with classifier.stateless():
            return super().read(classifier, images, labels, False)

    def raw_maps(
        self, classifier: Classifier, images: Tensor, reading: ClassifierPass
    ) -> list[Tensor]:
        images = concrete_images(images, "ScoreCAM")
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
        """Computes the map of one image in NumPy."""
        # The channels that vary most, in descending order.
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
        config = super().get_config()
        del config["score"]  # It is the probability of the class.
        return {
            **config,
            "channels": self.channels,
            "batch_size": self.batch_size,
        }


def _chunks(rows, size):
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def _shown(image, channels):
    """Multiplies an image with each of its channels `(number, h, w)`."""
    batch = ops.convert_to_tensor(image[None])
    masks = ops.convert_to_numpy(
        upsampled(ops.convert_to_tensor(channels, "float32"), batch)
    )
    # Each channel goes from 0 to 1; a constant channel hides the image.
    low = masks.min((1, 2), keepdims=True)
    extent = masks.max((1, 2), keepdims=True) - low
    masks = (masks - low) / np.where(extent > 0, extent, 1.0)
    return image * np.expand_dims(masks, channel_axis())
