"""FGSM from noise that is wider than the ball, for training."""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .gradient_attack import GradientAttack


@register
class NFGSM(GradientAttack):
    """Adds noise to the image, then one step of length epsilon, for training.

    `x_adv = clip(x + n + epsilon * sign(gradient at x + n))` with uniform noise
    `n` of up to `noise * epsilon`, clipped to the value range only. Images lie
    outside of the ball, up to `(1 + noise) * epsilon` away: as a measure of
    robustness they do not count, and `evaluate_robustness` refuses them.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of the step; None means `epsilon`.
        noise: Radius of the noise, as a multiple of epsilon.
        **kwargs: Arguments of every attack: `norm`, `value_range`, `seed`,
            `name` and more; see `GradientAttack`.

    Example:

    ```python
    attack = kad.attacks.NFGSM(epsilon=8 / 255)
    defended = kad.AttentionDefendedModel(
        model, attack, robust_loss=kad.losses.AdversarialCrossentropy()
    )
    ```

    Reference:
        [de Jorge et al., 2022](https://arxiv.org/abs/2202.01181), algorithm 1.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        *,
        noise: float = 2.0,
        **kwargs: Any,
    ) -> None:
        kwargs = {"random_start": True, **kwargs}
        super().__init__(epsilon, step_size, **kwargs)
        self.noise = check_number("noise", noise)

    def start(self, images: Tensor, epsilon: Any) -> Tensor:
        if self.random_start is not True:
            return super().start(images, epsilon)
        shape = ops.shape(images)
        noise = self.ball.sample(shape, epsilon, self.seed_generator)
        return images + self.noise * noise

    def _project(self, task: Any, reference: Any, x: Tensor) -> Tensor:
        # Not to the ball: the noise is meant to reach beyond it.
        return ops.clip(x, *task.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "noise": self.noise}
