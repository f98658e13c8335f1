"""Projected gradient descent."""

from typing import Any

from .._registration import register
from .gradient_attack import GradientAttack


@register
class PGD(GradientAttack):
    """Projected gradient descent from a random start.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps.
        random_start: Whether to start at a random point of the ball; or a
            number, the standard deviation of normal noise around the image.
        restarts: Number of runs; the worst result is kept for each image.
        **kwargs: Arguments of every attack: `norm`, `targeted`,
            `value_range`, `seed`, `name` and more; see `GradientAttack`.

    Example:

    ```python
    attack = kad.attacks.PGD(epsilon=8 / 255, step_size=2 / 255, steps=7)
    x_adv = attack(model, x, y)
    change = np.abs(keras.ops.convert_to_numpy(x_adv) - x)
    assert change.max() <= 8 / 255
    ```

    Reference:
        [Madry et al., 2018](https://arxiv.org/abs/1706.06083), section 2.1.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 10,
        *,
        random_start: bool | float = True,
        restarts: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon,
            step_size,
            steps,
            random_start=random_start,
            restarts=restarts,
            **kwargs,
        )
