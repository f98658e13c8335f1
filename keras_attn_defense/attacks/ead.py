"""EAD: Carlini and Wagner's attack with an l1 penalty, by shrinkage.

    for each round, of one constant:
        x = y = the clean image
        for each step:
            z = y - step_size * gradient of constant * gap + squared length
            x = z, each value of the change shortened by beta, inside the range
            y = x + a share of the move of x  # momentum
        the constant rises if the round failed, and falls if it succeeded
    return the success with the smallest change

Gap and rounds are those of `carlini_wagner`.
"""

from typing import Any

from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from .carlini_wagner import CarliniWagner
from .engine.draws import expected_logits
from .engine.task import Task
from .search_attack import select


@register
class EAD(CarliniWagner):
    """Elastic-net attack: sparse changes, by optimization.

    Minimizes `constant * max(z_y - max_{i != y} z_i + confidence, 0) +
    |change|_2^2 + beta * |change|_1` with momentum; the l1 part by shortening
    each value of the change by `beta` after each step. Among all successes the
    one of the smallest l1 norm is returned. Lengths count as shares of the
    value range, so that the defaults fit any.

    Args:
        epsilon: None returns the smallest perturbation found, however large;
            with a number, in the units of the images, an image is done once
            its perturbation is that small.
        steps: Number of steps in a round, each of two forward passes and a
            backward pass.
        beta: By how much each value is shortened at each step.
        learning_rate: Length of the first step, as a share of the gradient.
            It falls to zero as the square root of the steps that are left.
        confidence: By how much the wrong logit should be ahead.
        binary_search_steps: Number of rounds.
        initial_const: The first constant. It grows tenfold until a round
            succeeds.
        norm: `"l1"`, the only one.
        **kwargs: Arguments of every attack: `targeted`, `value_range`, `name`;
            see `Attack`.

    Example:

    ```python
    attack = kad.attacks.EAD(steps=20, binary_search_steps=3)
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Chen et al., 2018](https://arxiv.org/abs/1709.04114), algorithm 1,
        with the decision rule of the l1 norm.
    """

    passes_of_step = (2, 1)

    _norms = ("l1",)

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 1000,
        *,
        beta: float = 0.01,
        norm: Norm = "l1",
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, norm=norm, **kwargs)
        self.beta = check_number("beta", beta)

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        images, y = task.images, state["y"]
        lower, upper = task.value_range
        width = upper - lower
        number = ops.cast(state["number"], "float32")
        constant = state["search"]["constant"]
        # The gradient at y of `constant * gap`, in units of the range.
        gradient = self._gap_and_gradient(task, y)[1] * width
        gradient = constant[:, None, None, None] * gradient
        change = (y - images) / width
        rate = self.learning_rate * ops.sqrt(1.0 - number / self.steps)
        rate = rate[:, None, None, None]
        # A step, shrinkage, momentum.
        moved = change - rate * (gradient + 2.0 * change)
        shrunk = ops.sign(moved) * ops.relu(ops.abs(moved) - self.beta)
        x = ops.clip(images + width * shrunk, lower, upper)
        share = (number / (number + 3.0))[:, None, None, None]
        logits = expected_logits(task.victim, x)
        success = task.is_success(logits) & (self._gap(task, logits) <= 0)
        size = self.ball.norm(x - images)
        state = {
            **self._with_best(task, state, x, size, success),
            "x": x,
            "y": x + share * (x - state["x"]),
            "number": state["number"] + 1,
            "succeeded": state["succeeded"] | success,
        }
        over = state["number"] >= self.steps
        return select(over, self._next_round(state, size / width), state)

    def _start(self, task):
        return task.images

    def _begin_round(self, start):
        nothing = ops.zeros_like(start[:, 0, 0, 0])
        return {
            "x": start,
            "y": start,
            "number": ops.cast(nothing, "int32"),
            "succeeded": nothing > 0,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta": self.beta}
