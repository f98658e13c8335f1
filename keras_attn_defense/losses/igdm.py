"""Distillation of how a teacher's logits change along the attack."""

from collections.abc import Callable
from typing import Any

import keras

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .robust_loss import kl_divergence
from .rslad import RSLAD


@register
class IGDM(RSLAD):
    """Teaches a student the soft labels and the slope of a robust teacher.

    `RSLAD + weight * KL(teacher's change || student's change)`, where a
    change is the softmax of `z(x_adv) - z(2 x - x_adv)`, the difference of the
    logits on both sides of the image. It stands for the gradient of the
    input, without a second derivative.

    Args:
        teacher: A built Keras classifier of the same images and classes; see
            `DistillationLoss`.
        weight: Weight of the changes. Published: it rises from 0 to 20.
        clean_weight: Share of the clean images in `RSLAD`.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft; not used.
        y_pred: The tuple of logits of the clean, adversarial and opposite
            images, the student's three and then the teacher's three.

    Example:

    ```python
    student = keras.models.clone_model(model)
    defended = kad.AttentionDefendedModel(
        student, robust_loss=kad.losses.IGDM(model)
    )
    ```

    Reference:
        Indirect Gradient Distillation Module, [Lee et al.,
        2025](https://arxiv.org/abs/2312.03286), on RSLAD.
    """

    teaches_all = True

    def __init__(
        self,
        teacher: keras.Model | None = None,
        weight: float = 20.0,
        clean_weight: float = 1 / 6,
        reduction: str = "sum_over_batch_size",
        name: str = "igdm",
    ) -> None:
        super().__init__(teacher, clean_weight, reduction=reduction, name=name)
        self.weight = check_number("weight", weight)

    def neighbors(
        self,
        images: Tensor,
        adversarial: Tensor,
        draw: Callable[[], Tensor],
    ) -> tuple[Tensor, ...]:
        return (2.0 * images - adversarial,)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial, opposite, teacher, its_adversarial, its_opposite = (
            logits
        )
        loss = super().call(labels, (clean, adversarial, teacher))
        # The two images lie opposite each other around the clean one. So the
        # difference of their logits is a central one: twice the slope along the
        # attack.
        change = kl_divergence(
            its_adversarial - its_opposite, adversarial - opposite
        )
        return loss + self.weight * change

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight}
