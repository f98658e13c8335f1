"""The rectification loss against a target without the background's say."""

from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor
from .robust_loss import kl_divergence


@register
class DebiasedRectificationLoss(keras.losses.Loss):
    """Teaches the adversarial image what the attended area alone says.

    `KL(softmax(z(x) - z(x_m)) || softmax(z(x_adv)))`, where `x_m` is the clean
    image with its attention area hidden. What the rest of the image says by
    itself is taken out of the target; no gradient flows through it. Unlike
    `RectificationLoss`, it pushes no prediction away without bound, and it
    hides areas of the clean images only, at half the cost.

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: The tuple `(whole, rest)` of the clean image's logits and of
            those of its rest, each `(batch, classes)`.
        y_pred: The logits of the adversarial image `(batch, classes)`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(
        model,
        rectification_loss=kad.losses.DebiasedRectificationLoss(),
        rectification_weight=1.0,
    )
    ```

    Reference:
        After [Zhang et al., 2025](https://arxiv.org/abs/2408.06079), whose
        target comes from an image made easier than the clean one.
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "rectification_loss",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, y_true: tuple[Tensor, Tensor], y_pred: Tensor) -> Tensor:
        return kl_divergence(debiased(*y_true), y_pred)

    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}


def debiased(whole: Tensor, rest: Tensor) -> Tensor:
    """Returns logits without what the rest of the image says by itself."""
    return whole - ops.stop_gradient(rest)
