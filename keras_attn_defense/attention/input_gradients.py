"""Input gradients as attention maps."""

from typing import Any

from keras import ops

from .._backend import vjp_inside
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..classifier import full_precision
from ..data import channel_axis
from .attention_method import AttentionMethod
from .class_choice import check_score
from .class_choice import chosen_classes
from .class_choice import score_gradients


def _largest(values, axis):
    return ops.max(ops.abs(values), axis=axis)


def _average(values, axis):
    return ops.mean(ops.abs(values), axis=axis)


def _kept(values, axis):
    return values


_REDUCTIONS = {"max": _largest, "mean": _average, "sum": ops.sum, None: _kept}


@register
class InputGradients(AttentionMethod):
    """Saliency maps: how much each pixel changes the class's logit.

    Args:
        reduction: How the channels of a pixel become one number: `"max"` or
            `"mean"` of the gradient's size, or its signed `"sum"`; together
            with `times_input`, the sum is what the pixel adds to the logit of
            a linear model. None keeps the channels, for losses of two maps.
        times_input: Whether gradients are multiplied with the images.
        normalization: ReLU followed by division by the `"max"`, `"sum"` or
            `"l2"` length of the map, `"softmax"` over all positions, None for
            ReLU alone, or `"signed"`, the map as it is.
        score: What the map explains: the `"logit"` of the class, its
            `"margin"` over the strongest other class, the `"loss"`, the
            cross-entropy of the class, or `"random"`: in training, a
            combination of all logits that is drawn for each image and that
            the compared maps share, so that in time the maps of all classes
            are compared; elsewhere the logit.
        model: The classifier to explain, when the method is used as a layer
            on images. Not needed inside `AttentionDefendedModel`.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.InputGradients(model=model)(x, y)
    ```

    Reference:
        [Simonyan et al., 2014](https://arxiv.org/abs/1312.6034), section 3.
    """

    def __init__(
        self,
        reduction: str | None = "max",
        *,
        times_input: bool = False,
        normalization: str | None = "l2",
        score: str = "logit",
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(normalization, model=model, name=name)
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"`reduction` should be one of {list(_REDUCTIONS)}. Received: "
                f"reduction={reduction!r}"
            )
        self.reduction = reduction
        self.keeps_channels = reduction is None
        self.score = check_score(score)
        self.times_input = bool(times_input)

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        images = full_precision(ops.convert_to_tensor(images))
        (logits, predictions), gradients = self.gradients(
            classifier, images, labels, training
        )
        return logits, self.pixel_maps(gradients, images), predictions

    def gradients(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None,
        training: bool,
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Returns logits with predictions, and the gradients of the images."""
        # As in a training step, layers may update their state meanwhile.
        outputs, _, pullback = vjp_inside(
            lambda tap: classifier(tap(images), training=training),
            classifier.variables,
            self.add_loss,
        )
        classes = chosen_classes(labels, outputs[0])
        (gradients,) = score_gradients(
            pullback, outputs[0], classes, self.score
        )
        return outputs, gradients

    def pixel_maps(self, gradients: Tensor, images: Tensor) -> Tensor:
        """Reduces the gradients of all channels to normalized maps."""
        if self.times_input:
            gradients = gradients * images
        reduce = _REDUCTIONS[self.reduction]
        return self.normalize(reduce(gradients, axis=channel_axis()))

    def get_config(self) -> dict[str, Any]:
        return {
            "reduction": self.reduction,
            "times_input": self.times_input,
            "score": self.score,
            **super().get_config(),
        }
