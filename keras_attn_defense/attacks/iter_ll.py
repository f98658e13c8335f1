"""The iterative least-likely class method."""

from typing import Any

from .._registration import register
from .._typing import Tensor
from ..classifier import ClassifierView
from .arguments import refuse_targeted
from .gradient_attack import GradientAttack
from .step_ll import least_likely


@register
class IterLL(GradientAttack):
    """Small steps towards the class that the model finds least likely.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps.
        label_smoothing: Smoothing of the target class.
        **kwargs: Arguments of every attack: `norm`, `value_range`, `seed`,
            `name` and more; see `GradientAttack`.

    Example:

    ```python
    x_adv = kad.attacks.IterLL(epsilon=8 / 255, steps=10)(model, x)
    ```

    Reference:
        [Kurakin et al., 2017](https://arxiv.org/abs/1607.02533), section 2.3.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 10,
        *,
        label_smoothing: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            step_size,
            steps,
            label_smoothing=label_smoothing,
            **kwargs,
        )
        refuse_targeted(
            self,
            "moves to the class that the model finds least likely, whatever "
            "the labels, so it cannot be targeted. Use `BIM(targeted=True)` "
            "for classes of your own.",
        )

    def target(
        self, victim: ClassifierView, images: Tensor, labels: Tensor
    ) -> Any:
        return least_likely(victim, images), -1.0
