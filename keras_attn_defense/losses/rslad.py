"""Robust soft-label adversarial distillation."""

from typing import Any

import keras

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .distillation_loss import DistillationLoss
from .robust_loss import kl_divergence


@register
class RSLAD(DistillationLoss):
    """Teaches a student by the soft labels of a robust teacher alone.

    `(1 - clean_weight) * KL(teacher(x) || student(x_adv)) +
    clean_weight * KL(teacher(x) || student(x))`; the attack maximizes the
    first divergence. Labels are not used.

    Args:
        teacher: A built Keras classifier of the same images and classes; see
            `DistillationLoss`.
        clean_weight: Share of the clean images, 0 to 1.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft.
        y_pred: The tuple `(clean, adversarial, teacher)` of logits
            `(batch, classes)`.

    Example:

    ```python
    student = keras.models.clone_model(model)
    defended = kad.AttentionDefendedModel(
        student, robust_loss=kad.losses.RSLAD(model)
    )
    ```

    Reference:
        [Zi et al., 2021](https://arxiv.org/abs/2108.07969), equation 4.
    """

    def __init__(
        self,
        teacher: keras.Model | None = None,
        clean_weight: float = 1 / 6,
        reduction: str = "sum_over_batch_size",
        name: str = "rslad",
    ) -> None:
        super().__init__(teacher, reduction=reduction, name=name)
        self.clean_weight = check_number("clean_weight", clean_weight, 0.0, 1.0)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, _, teacher = logits
        return (1.0 - self.clean_weight) * self.attacked(
            labels, logits
        ) + self.clean_weight * kl_divergence(teacher, clean)

    def attacked(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        _, adversarial, teacher = logits
        return kl_divergence(teacher, adversarial)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "clean_weight": self.clean_weight}
