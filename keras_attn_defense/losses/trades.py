"""TRADES: accuracy on clean images, and predictions that do not move."""

from typing import Any

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .robust_loss import RobustLoss
from .robust_loss import cross_entropy
from .robust_loss import kl_divergence


@register
class TRADES(RobustLoss):
    """Trades clean accuracy against how far an attack moves the prediction.

    `CE(x) + beta * KL(p(x) || p(x_adv))`; the attack maximizes the
    divergence. Gradients flow through both predictions, as published.

    Args:
        beta: Weight of the divergence (1 / lambda in the paper).
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
        model, robust_loss=kad.losses.TRADES(beta=6.0)
    )
    ```

    Reference:
        [Zhang et al., 2019](https://arxiv.org/abs/1901.08573), equation 5.
    """

    compares_clean = True

    def __init__(
        self,
        beta: float = 6.0,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
        name: str = "trades",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.beta = check_number("beta", beta)
        self.label_smoothing = check_number(
            "label_smoothing", label_smoothing, 0.0, 1.0
        )

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial = logits
        loss = cross_entropy(labels, clean, self.label_smoothing)
        return loss + self.beta * kl_divergence(clean, adversarial)

    def attacked(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        return kl_divergence(*logits)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta": self.beta,
            "label_smoothing": self.label_smoothing,
        }
