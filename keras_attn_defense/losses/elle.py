"""Adversarial training with a loss that is linear inside the ball."""

from collections.abc import Callable
from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .adversarial_crossentropy import AdversarialCrossentropy
from .robust_loss import cross_entropy


@register
class ELLE(AdversarialCrossentropy):
    """Keeps the loss linear in the ball, without a second derivative.

    `CE(x_adv) + weight * (CE(c) - (1 - t) * CE(a) - t * CE(b))^2`, with two
    random points `a` and `b` of the attack's ball and `c = (1 - t) * a + t * b`
    between them. It was published to keep training on one-step attacks from
    collapsing, as the alignment of gradients does, for the price of three more
    images.

    `t` is spread evenly over the batch, where the published code draws it.

    Args:
        weight: Weight of the error of linearity. Published for CIFAR-10: 1000
            at epsilon 8/255, 5000 at 16/255.
        **kwargs: Arguments of `AdversarialCrossentropy`.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft.
        y_pred: The tuple `(clean, adversarial, a, b, c)` of logits
            `(batch, classes)`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(
        model,
        kad.attacks.FGSM(8 / 255),
        robust_loss=kad.losses.ELLE(weight=1000.0),
        rectification_weight=0,
        preservation_weight=0,
    )
    ```

    Reference:
        [Abad Rocamora et al., 2024](https://arxiv.org/abs/2401.11618).
    """

    def __init__(
        self, weight: float = 1000.0, name: str = "elle", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.weight = check_number("weight", weight)

    def neighbors(
        self,
        images: Tensor,
        adversarial: Tensor,
        draw: Callable[[], Tensor],
    ) -> tuple[Tensor, ...]:
        first, second = draw(), draw()
        share = _shares(images)[:, None, None, None]
        return first, second, (1.0 - share) * first + share * second

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        first, second, between = (cross_entropy(labels, z) for z in logits[2:])
        share = _shares(labels)
        error = between - (1.0 - share) * first - share * second
        loss = super().call(labels, logits[:2])
        return loss + self.weight * ops.square(error)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight}


def _shares(batch):
    """Returns numbers in (0, 1), spread evenly over a batch."""
    count = ops.shape(batch)[0]
    # Never 0 or 1, where c would be one of the points and the error zero.
    middle = ops.cast(ops.arange(count), "float32") + 0.5
    return middle / ops.cast(count, "float32")
