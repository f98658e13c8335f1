"""The momentum iterative method."""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .gradient_attack import GradientAttack


@register
class MomentumBIM(GradientAttack):
    """Momentum iterative method: steps along an accumulated gradient.

    Each gradient is divided by its own mean absolute value before it is added
    to `decay` times the sum of those before.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps.
        decay: Share of the accumulated gradient kept at each step.
        **kwargs: Arguments of every attack: `norm`, `targeted`,
            `value_range`, `seed`, `name` and more; see `GradientAttack`.

    Example:

    ```python
    attack = kad.attacks.MomentumBIM(epsilon=8 / 255, steps=10, decay=1.0)
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Dong et al., 2018](https://arxiv.org/abs/1710.06081), algorithm 1.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 10,
        *,
        decay: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, step_size, steps, **kwargs)
        self.decay = check_number("decay", decay)

    def memory(self, images: Tensor) -> Any:
        return ops.zeros_like(images)

    def direction(self, gradient: Tensor, memory: Any) -> Tensor:
        size = ops.mean(ops.abs(gradient), axis=(1, 2, 3), keepdims=True)
        memory = self.decay * memory + ops.divide_no_nan(gradient, size)
        return self.ball.ascent_direction(memory), memory

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "decay": self.decay}
