"""SmoothGrad attention maps."""

from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..classifier import full_precision
from .class_choice import chosen_classes
from .input_gradients import InputGradients


@register
class SmoothGrad(InputGradients):
    """SmoothGrad: the mean input gradient of noisy copies of an image.

    All copies go through the model at once, as a batch `samples` times as
    large. The noise is the same for every image and in every call, so a map
    depends on its image alone.

    Args:
        noise: Standard deviation of the noise, as a share of the distance
            between an image's lowest and highest value; 0.1 to 0.2 is usual.
        samples: Number of noisy copies.
        reduction: How the channels of a pixel become one number; see
            `InputGradients`.
        times_input: Whether gradients are multiplied with the images.
        normalization: How the values of a map are scaled; see
            `InputGradients`.
        seed: Whole number that seeds the noise.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.SmoothGrad(noise=0.15, samples=16, model=model)(x, y)
    ```

    Reference:
        [Smilkov et al., 2017](https://arxiv.org/abs/1706.03825).
    """

    def __init__(
        self,
        noise: float = 0.15,
        samples: int = 16,
        *,
        reduction: str = "max",
        times_input: bool = False,
        normalization: str | None = "l2",
        score: str = "logit",
        seed: int = 0,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            reduction,
            times_input=times_input,
            normalization=normalization,
            score=score,
            model=model,
            name=name,
        )
        self.noise = check_number(
            "noise", noise, unit="a share of the range of an image"
        )
        self.samples = check_count("samples", samples)
        self.seed = check_count("seed", seed, lowest=None)

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        images = full_precision(ops.convert_to_tensor(images))
        logits, predictions = classifier(images, training=training)
        classes = chosen_classes(labels, logits)
        noisy = self.noisy(images)
        # The noisy copies must not change statistics, seeds and losses: those
        # of the clean images count.
        with classifier.stateless():
            _, gradients = self.gradients(
                classifier, noisy, ops.tile(classes, [self.samples]), training
            )
        # The copies of one image are a batch apart.
        copies = ops.reshape(gradients, (self.samples, *ops.shape(images)))
        maps = self.pixel_maps(ops.mean(copies, axis=0), images)
        return logits, maps, predictions

    def noisy(self, images: Tensor) -> Tensor:
        """Returns `samples` noisy copies of a batch, one after the other."""
        shape = ops.shape(images)
        axes = (1, 2, 3)
        lowest = ops.min(images, axis=axes, keepdims=True)
        extent = ops.max(images, axis=axes, keepdims=True) - lowest
        # A fixed seed and a batch of one: every image gets the same noise.
        noise = keras.random.normal(
            (self.samples, 1, *shape[1:]), seed=self.seed
        )
        noise = ops.cast(self.noise * noise, extent.dtype)
        copies = images + extent * noise
        return ops.reshape(copies, (-1, *shape[1:]))

    def get_config(self) -> dict[str, Any]:
        return {
            "noise": self.noise,
            "samples": self.samples,
            **super().get_config(),
            "seed": self.seed,
        }
