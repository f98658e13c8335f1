"""Adversarially robust distillation."""

from typing import Any

import keras

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .distillation_loss import DistillationLoss
from .robust_loss import cross_entropy
from .robust_loss import kl_divergence


@register
class ARD(DistillationLoss):
    """Teaches a student to answer to attacks as a teacher does to clean images.

    `alpha * T^2 * KL(teacher(x) / T || student(x_adv) / T) +
    (1 - alpha) * CE(student(x))`; the attack maximizes the cross-entropy.

    Args:
        teacher: A built Keras classifier of the same images and classes; see
            `DistillationLoss`.
        temperature: The temperature T.
        alpha: Share of the teacher, 0 to 1.
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
        student, robust_loss=kad.losses.ARD(model)
    )
    ```

    Reference:
        [Goldblum et al., 2020](https://arxiv.org/abs/1905.09747), equation 5.
    """

    def __init__(
        self,
        teacher: keras.Model | None = None,
        temperature: float = 30.0,
        alpha: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str = "ard",
    ) -> None:
        super().__init__(teacher, reduction=reduction, name=name)
        self.temperature = check_number("temperature", temperature, above=True)
        self.alpha = check_number("alpha", alpha, 0.0, 1.0)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial, teacher = logits
        t = self.temperature
        loss = self.alpha * t**2 * kl_divergence(teacher / t, adversarial / t)
        if self.alpha < 1.0:
            loss = loss + (1.0 - self.alpha) * cross_entropy(labels, clean)
        return loss

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "alpha": self.alpha,
        }
