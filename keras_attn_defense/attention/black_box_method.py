"""The base class of maps that need only predictions, no gradients."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from .._arguments import not_defined
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..data import from_channels_last
from ..data import to_channels_last
from .attention_method import AttentionMethod
from .black_box import BlackBox
from .black_box import check_fill
from .black_box import concrete_images
from .class_choice import chosen_classes


@register
class BlackBoxMethod(AttentionMethod):
    """Base class of maps made from the predictions on altered images.

    A subclass defines `raw_maps`. No gradient flows through the maps, and
    images need values: it cannot be part of a compiled step.

    Args:
        normalization: As in `AttentionMethod`.
        fill: Value of hidden pixels, a number or one for each channel; None
            means the mean color of each image.
        batch_size: Number of images in one call of the model.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    # How much hiding the left or the right half lowers the probability.
    @keras.saving.register_keras_serializable(package="examples")
    class HalfOcclusion(kad.attention.BlackBoxMethod):
        def raw_maps(self, score, images, classes):
            maps = np.zeros(images.shape[:3], "float32")
            for half in (np.s_[:, :, :8], np.s_[:, :, 8:]):
                hidden = images.copy()
                hidden[half] = 0.5
                drop = score(images, classes) - score(hidden, classes)
                maps[half] = drop[:, None, None]
            return maps


    maps = HalfOcclusion(model=model)(x, y)
    ```
    """

    differentiable = False

    def __init__(
        self,
        normalization: str | None = "l2",
        *,
        fill: float | Sequence[float] | None = None,
        batch_size: int = 128,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(normalization, model=model, name=name)
        self.fill = check_fill(fill)
        self.black_box = BlackBox(batch_size)
        self.batch_size = self.black_box.batch_size

    def raw_maps(
        self,
        score: Callable[..., np.ndarray],
        images: np.ndarray,
        classes: np.ndarray,
    ) -> np.ndarray:
        """Computes maps before normalization.

        Args:
            score: Function of images and class indices that returns the
                probability of each image's class.
            images: NumPy array `(batch, height, width, channels)`.
            classes: NumPy array of class indices `(batch,)`.

        Returns:
            Maps `(batch, height, width)`, a NumPy array.
        """
        raise not_defined(
            self, "raw_maps", "it returns one map for each image, in NumPy"
        )

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        images = concrete_images(images, type(self).__name__)
        with classifier.untouched():
            logits, predictions = classifier(ops.convert_to_tensor(images))
        classes = ops.convert_to_numpy(chosen_classes(labels, logits))

        # Subclasses see channels last in any data format of Keras.
        def score(images, classes):
            images = from_channels_last(images)
            return self.black_box.probabilities(classifier, images, classes)

        maps = self.raw_maps(score, to_channels_last(images), classes)
        maps = ops.convert_to_tensor(maps, "float32")
        return logits, self.normalize(maps), predictions

    def hidden(self, image: np.ndarray) -> np.ndarray:
        """Returns the values of hidden pixels, one number for each channel."""
        if self.fill is None:
            return image.mean((0, 1))
        return np.broadcast_to(np.asarray(self.fill, "float32"), image.shape[2])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fill": self.fill,
            "batch_size": self.batch_size,
        }
