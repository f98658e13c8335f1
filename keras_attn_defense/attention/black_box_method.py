"""The base class of maps that need only predictions, no gradients."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._arguments import not_defined
from .._backend import is_traced
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..classifier.predictor import Predictor
from ..classifier.predictor import predictions
from ..data import from_channels_last
from ..data import to_channels_last
from .attention_method import AttentionMethod
from .class_choice import chosen_classes


class BlackBox:
    """Logits and probabilities of NumPy images, a batch at a time.

    Args:
        batch_size: Number of images in one call of the model.
    """

    def __init__(self, batch_size):
        self.batch_size = check_count("batch_size", batch_size)
        self._code = predictions()

    def logits(self, classifier, images):
        """Returns logits `(N, classes)` of NumPy images, as a NumPy array."""
        predictor = Predictor(classifier, self.batch_size, self._code)
        return predictor.logits(images)

    def probabilities(self, classifier, images, classes):
        """Returns the probability `(N,)` of one class for each image."""
        # Where the model is sure, probabilities differ by less than float32 can
        # hold.
        logits = self.logits(classifier, images).astype("float64")
        return scipy.special.softmax(logits, axis=-1)[
            np.arange(len(images)), classes
        ]


def check_fill(fill):
    """Checks the value of hidden pixels.

    Returns:
        A number, a tuple with one number for each channel, or None.
    """
    if fill is None:
        return None
    try:
        if np.ndim(fill) == 1:
            return tuple(
                check_number("fill", each, -float("inf")) for each in fill
            )
        return check_number("fill", fill, -float("inf"))
    except ValueError:
        raise ValueError(
            "`fill` should be a number, one number for each channel, or None. "
            f"Received: fill={fill!r}"
        ) from None


def concrete_images(images, user):
    """Returns images as a NumPy array of type float32.

    Raises:
        ValueError: If they have no values yet, as inside a compiled step or a
            functional model.
    """
    if is_traced(images):
        raise ValueError(
            f"{user} runs the model many times and needs images with values. "
            "It cannot be part of a compiled step or of a functional model: "
            "call it on arrays."
        )
    return np.asarray(ops.convert_to_numpy(images), "float32")


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
        with classifier.stateless():
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
