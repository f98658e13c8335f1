"""The basic iterative method."""

from typing import Any

from .._registration import register
from .gradient_attack import GradientAttack


@register
class BIM(GradientAttack):
    """Basic iterative method: FGSM in small steps from the clean image.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps.
        **kwargs: Arguments of every attack: `norm`, `targeted`,
            `value_range`, `seed`, `name` and more; see `GradientAttack`.

    Example:

    ```python
    attack = kad.attacks.BIM(epsilon=8 / 255, step_size=2 / 255, steps=10)
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Kurakin et al., 2017](https://arxiv.org/abs/1607.02533), section 2.2.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, step_size, steps, **kwargs)
