"""The randomized one-step least-likely class method."""

from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor
from .step_ll import StepLL


@register
class RandomizedStepLL(StepLL):
    """Half of epsilon at random, the other half towards the least likely class.

    `x' = x + epsilon / 2 * sign(N(0, 1))`, then one step of `epsilon / 2`. The
    random half moves the gradient away from the image itself, where a network
    trained with one-step attacks learns to hide it.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        label_smoothing: Smoothing of the target class.
        **kwargs: Arguments of every attack: `norm`, `value_range`, `seed`,
            `name` and more; see `GradientAttack`.

    Example:

    ```python
    x_adv = kad.attacks.RandomizedStepLL(epsilon=0.075)(model, x)
    ```

    Reference:
        [Tramer et al., 2018](https://arxiv.org/abs/1705.07204), section 4.1.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        *,
        label_smoothing: float = 0.1,
        **kwargs: Any,
    ) -> None:
        kwargs = {"random_start": True, **kwargs}
        super().__init__(epsilon, label_smoothing=label_smoothing, **kwargs)

    def start(self, images: Tensor, epsilon: Any) -> Tensor:
        if self.random_start is not True:
            return super().start(images, epsilon)
        noise = keras.random.normal(ops.shape(images), seed=self.seed_generator)
        return images + epsilon / 2 * self.ball.ascent_direction(noise)

    def relative_step_size(self) -> Any:
        return 0.5
