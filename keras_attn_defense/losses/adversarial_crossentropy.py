"""Cross-entropy on adversarial images, and on clean ones where asked for."""

from typing import Any

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .robust_loss import RobustLoss
from .robust_loss import cross_entropy


@register
class AdversarialCrossentropy(RobustLoss):
    """Cross-entropy of adversarial images: standard adversarial training.

    `CE(x_adv) + clean_weight * CE(x)`. Published rows of adversarial training
    are without the clean images.

    Args:
        clean_weight: Weight of the clean images.
        label_smoothing: Share of the label that is spread over all classes,
            as in Keras.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft.
        y_pred: The tuple `(clean, adversarial)` of logits
            `(batch, classes)`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(
        model, robust_loss=kad.losses.AdversarialCrossentropy()
    )
    ```

    Reference:
        [Madry et al., 2018](https://arxiv.org/abs/1706.06083), equation 2.1.
    """

    def __init__(
        self,
        clean_weight: float = 0.0,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
        name: str = "adversarial_crossentropy",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.clean_weight = check_number("clean_weight", clean_weight)
        self.label_smoothing = check_number(
            "label_smoothing", label_smoothing, 0.0, 1.0
        )

    @property
    def reads_clean(self) -> bool:  # type: ignore[override]
        return bool(self.clean_weight)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial = logits
        loss = cross_entropy(labels, adversarial, self.label_smoothing)
        if self.clean_weight:
            clean = cross_entropy(labels, clean, self.label_smoothing)
            loss = loss + self.clean_weight * clean
        return loss

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "clean_weight": self.clean_weight,
            "label_smoothing": self.label_smoothing,
        }
