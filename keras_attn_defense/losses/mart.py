"""MART: more weight on images that are hard when clean."""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .robust_loss import RobustLoss
from .robust_loss import cross_entropy
from .robust_loss import kl_divergence


@register
class MART(RobustLoss):
    """Weights the divergence of predictions by how unsure the clean one is.

    `CE(x_adv) - log(1 - max_{k != y} p_k(x_adv)) +
    beta * KL(p(x) || p(x_adv)) * (1 - p_y(x))`; the attack maximizes the
    cross-entropy. It scores higher under PGD than under AutoAttack.

    Args:
        beta: Weight of the divergence.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft; the class with the
            largest share counts as the true one.
        y_pred: The tuple `(clean, adversarial)` of logits
            `(batch, classes)`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(model, robust_loss=kad.losses.MART())
    ```

    Reference:
        Improving Adversarial Robustness Requires Revisiting Misclassified
        Examples, Wang et al., ICLR 2020, equations 8 to 11.
    """

    def __init__(
        self,
        beta: float = 6.0,
        reduction: str = "sum_over_batch_size",
        name: str = "mart",
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.beta = check_number("beta", beta)

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        clean, adversarial = logits
        true = ops.one_hot(
            ops.argmax(labels, axis=-1), clean.shape[-1], dtype=clean.dtype
        )
        # The strongest wrong class: less two, the true one is below zero, where
        # no probability is.
        wrong = ops.max(ops.softmax(adversarial, axis=-1) - 2.0 * true, axis=-1)
        boosted = cross_entropy(labels, adversarial) - ops.log(
            # As in the authors' code: finite where it is sure and wrong.
            1.0001 - wrong
        )
        sure = ops.sum(true * ops.softmax(clean, axis=-1), axis=-1)
        divergence = kl_divergence(clean, adversarial)
        return boosted + self.beta * divergence * (1.0 - sure)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}
