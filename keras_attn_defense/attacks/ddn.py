"""DDN: a direction from the gradient, a length from success.

for each step:
    if x is adversarial: keep it, if it is the closest so far
    radius = a little smaller if x is adversarial, else a little larger
    change = x + step_size * gradient / its length - the clean image
    x = the clean image + radius * change / its length, inside the range
"""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from . import schedules
from .arguments import check_norm
from .engine.closest import keep_closest
from .engine.closest import nothing_yet
from .engine.task import Task
from .objectives import CrossEntropy
from .search_attack import SearchAttack

# What is left of the step size after the last step.
_LAST_STEP = 0.01


@register
class DDN(SearchAttack):
    """Decoupled direction and norm: small l2 perturbations in few steps.

    The images move along the gradient of the cross-entropy, on a sphere around
    the clean images whose radius shrinks by a share after a success and grows
    by it after a failure. The closest success is kept. The first step is as
    long as the value range, the last a hundredth of it.

    Args:
        epsilon: None looks for the smallest perturbation in all steps. With a
            number, in the units of the images, an image is done as soon as a
            perturbation of that size is found; a larger one is shortened to
            it.
        steps: Number of steps, each of one forward and one backward pass.
        initial_radius: The first radius, as a share of the value range.
        gamma: The share by which the radius changes at each step.
        norm: `"l2"`, the only one. For others use `FMN`.
        **kwargs: Arguments of every attack: `targeted`, `value_range`, `name`;
            see `Attack`.

    Example:

    ```python
    x_adv = kad.attacks.DDN(steps=20)(model, x, y)
    ```

    Reference:
        [Rony et al., 2019](https://arxiv.org/abs/1811.09600), algorithm 1,
        without the rounding to 256 levels.
    """

    minimal = True
    # The first step looks at the clean images.
    passes_to_begin = (0, 0)

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 100,
        *,
        initial_radius: float = 1.0,
        gamma: float = 0.05,
        norm: Norm = "l2",
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, norm=norm, **kwargs)
        check_norm(self, ("l2",))
        self.initial_radius = check_number(
            "initial_radius", initial_radius, above=True
        )
        self.gamma = check_number("gamma", gamma, 0.0, 1.0)

    def begin(self, task: Task) -> dict[str, Any]:
        state = nothing_yet(task)
        lower, upper = task.value_range
        radius = self.initial_radius * (upper - lower)
        radius = ops.full_like(state["score"], radius)
        return {**state, "x": task.images, "radius": radius}

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        images, x = task.images, state["x"]
        lower, upper = task.value_range
        _, gradient, logits = CrossEntropy().value_and_gradient(
            task.victim, x, task.labels, {}
        )
        success = task.is_success(logits)
        state = keep_closest(task, state, self.ball, x, success)
        factor = ops.where(success, 1.0 - self.gamma, 1.0 + self.gamma)
        # No point of the range is farther away than this.
        farthest = self.ball.norm(ops.maximum(images - lower, upper - images))
        radius = ops.minimum(factor * state["radius"], farthest)
        rate = schedules.annealed(count, self.steps, upper - lower, _LAST_STEP)
        step = self.ball.ascent_direction(task.sign * gradient)
        change = x - images + rate[:, None, None, None] * step
        direction = self.ball.ascent_direction(change)
        x = images + radius[:, None, None, None] * direction
        x = ops.clip(x, lower, upper)
        return {**state, "x": x, "radius": radius}

    def finished(self, state: Any) -> Tensor:
        return state["done"]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_radius": self.initial_radius,
            "gamma": self.gamma,
        }
