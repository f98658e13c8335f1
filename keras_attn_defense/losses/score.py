"""SCORE: TRADES with squared distances of probabilities."""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .robust_loss import RobustLoss
from .robust_loss import squared_distance


@register
class SCORE(RobustLoss):
    """Measures predictions by the squared distance of their probabilities.

    `|p(x) - y|^2 + beta * |p(x_adv) - p(x)|^2`, sums over classes; the attack
    maximizes the second term.

    Args:
        beta: Weight of the second term.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft.
        y_pred: The tuple `(clean, adversarial)` of logits
            `(batch, classes)`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(model, robust_loss=kad.losses.SCORE())
    ```

    Reference:
        [Pang et al., 2022](https://arxiv.org/abs/2202.10103), section 4.
    """

    compares_clean = True

    def __init__(
        self,
        beta: float = 4.0,
        reduction: str = "sum_over_batch_size",
        name: str = "score",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.beta = check_number("beta", beta)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        loss = squared_distance(ops.softmax(logits[0], axis=-1), labels)
        return loss + self.beta * self.attacked(labels, logits)

    def attacked(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial = (ops.softmax(each, axis=-1) for each in logits)
        return squared_distance(clean, adversarial)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}
