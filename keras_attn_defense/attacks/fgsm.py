"""The fast gradient sign method."""

from typing import Any

from .._registration import register
from .gradient_attack import GradientAttack


@register
class FGSM(GradientAttack):
    """Fast gradient sign method: one step of length epsilon.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        **kwargs: Arguments of every attack: `norm`, `targeted`,
            `value_range`, `seed`, `name` and more; see `GradientAttack`.

    Example:

    ```python
    attack = kad.attacks.FGSM(epsilon=8 / 255)
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Goodfellow et al., 2015](https://arxiv.org/abs/1412.6572), section 4.
    """

    def __init__(self, epsilon: float | None = None, **kwargs: Any) -> None:
        super().__init__(epsilon, **kwargs)
