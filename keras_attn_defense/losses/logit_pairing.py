"""Adversarial logit pairing."""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .robust_loss import RobustLoss
from .robust_loss import cross_entropy


@register
class LogitPairing(RobustLoss):
    """Pairs the logits of an image with those of its adversarial image.

    `CE(x_adv) + clean_weight * CE(x) + weight * mean_k (z_k(x) -
    z_k(x_adv))^2`. Without strong adversarial images in training, pairing
    hides gradients instead of adding robustness.

    Args:
        weight: Weight of the squared distance.
        clean_weight: Weight of the cross-entropy of the clean images.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft.
        y_pred: The tuple `(clean, adversarial)` of logits
            `(batch, classes)`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(
        model, robust_loss=kad.losses.LogitPairing(weight=0.5)
    )
    ```

    Reference:
        [Kannan et al., 2018](https://arxiv.org/abs/1803.06373), equation 2;
        broken by [Engstrom et al., 2018](https://arxiv.org/abs/1807.10272).
    """

    def __init__(
        self,
        weight: float = 0.5,
        clean_weight: float = 0.0,
        reduction: str = "sum_over_batch_size",
        name: str = "logit_pairing",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.weight = check_number("weight", weight)
        self.clean_weight = check_number("clean_weight", clean_weight)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial = logits
        loss = cross_entropy(labels, adversarial)
        if self.clean_weight:
            loss = loss + self.clean_weight * cross_entropy(labels, clean)
        distance = ops.mean(ops.square(clean - adversarial), axis=-1)
        return loss + self.weight * distance

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "weight": self.weight,
            "clean_weight": self.clean_weight,
        }
