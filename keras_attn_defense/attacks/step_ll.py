"""The one-step least-likely class method."""

from typing import Any

from keras import ops

from .._registration import register
from .._typing import Tensor
from ..classifier import ClassifierView
from .arguments import refuse_targeted
from .gradient_attack import GradientAttack


@register
class StepLL(GradientAttack):
    """One step towards the class that the model finds least likely.

    The target is the class of the smallest logit of the clean image, so
    labels are not used and none leaks into training.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range. The authors of the attention defense use 0.075
            of the value range on CIFAR-10.
        label_smoothing: Smoothing of the target class, 0.1 by the authors.
        **kwargs: Arguments of every attack: `norm`, `value_range`, `seed`,
            `name` and more; see `GradientAttack`.

    Example:

    ```python
    x_adv = kad.attacks.StepLL(epsilon=0.075)(model, x)
    ```

    Reference:
        [Kurakin et al., 2017](https://arxiv.org/abs/1611.01236), section 3.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        *,
        label_smoothing: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, label_smoothing=label_smoothing, **kwargs)
        refuse_targeted(
            self,
            "moves to the class that the model finds least likely, whatever "
            "the labels, so it cannot be targeted. Use `FGSM(targeted=True)` "
            "for classes of your own.",
        )

    def target(
        self, victim: ClassifierView, images: Tensor, labels: Tensor
    ) -> Any:
        return least_likely(victim, images), -1.0


def least_likely(victim, images):
    """The class of the smallest logit, `(batch,)`."""
    return ops.cast(ops.argmin(victim.frozen_logits(images), axis=-1), "int32")
