"""Auto-PGD: projected gradient descent that finds its own step size.

    x = a random point of the ball; step_size = 2 * epsilon
    for each step:
        ahead = project(x + step_size * direction(gradient))
        x = project(x + 0.75 * (ahead - x) + 0.25 * (x - x of the step before))
        keep x as best if its value is the highest so far
        at a checkpoint, if too few steps of the period raised the value, or
        neither the best value nor the step size has changed since the last:
            step_size = step_size / 2; x = best

In l1 the steps are sparse; see `apgd_l1`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from ..classifier import ClassifierView
from ..classifier import as_classifier
from . import apgd_l1
from . import objectives
from .arguments import check_targets
from .engine.task import Task
from .objectives.objective import Objective
from .search_attack import SearchAttack
from .search_attack import select

# From the paper: the first checkpoint, how the period shrinks, and to what, as
# shares of all steps; the share of old momentum.
_FIRST_PERIOD = 0.22
_PERIOD_DECREASE = 0.03
_LAST_PERIOD = 0.06
_MOMENTUM = 0.25


@register
class APGD(SearchAttack):
    """Auto-PGD, with momentum and a step size that halves itself.

    The first step is `2 * epsilon`. At checkpoints (after 22 %, then ever
    shorter periods) the step is halved and the search goes back to its best
    point, if fewer than `rho` of the steps since raised the objective, or
    neither step size nor best value changed.

    In `"l1"` steps change the values of largest gradient only, ever fewer of
    them, and their size begins at the radius. The radius is `3 * epsilon` for
    30 % of the steps, then `2 * epsilon` for as many, then `epsilon`; two
    evaluations more bring the best point into the smaller balls.

    Args:
        epsilon: Radius of the ball, in the units of the images. None means
            8/255 of the value range, 0.5 times it in `"l2"` and 12 times in
            `"l1"`.
        steps: Number of steps.
        objective: What is maximized: `"cross_entropy"` (APGD-CE), `"dlr"`
            (APGD-DLR), `"targeted_dlr"` (APGD-T: one run for each of the 9
            strongest wrong classes), or any other; see
            `kad.attacks.objectives`.
        rho: Share of the steps that should raise the objective. Not used in
            `"l1"`.
        **kwargs: Arguments of every attack: `norm`, `targeted`, `restarts`,
            `value_range`, `seed`, `name`; see `Attack`.

    Example:

    ```python
    attack = kad.attacks.APGD(epsilon=8 / 255, steps=20, objective="dlr")
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Croce and Hein, 2020](https://arxiv.org/abs/2003.01690), algorithm 1;
        in `"l1"`,
        [Croce and Hein, 2021](https://arxiv.org/abs/2103.01208), algorithm 1.
    """

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 100,
        *,
        objective: Objective
        | Callable[[Tensor, Tensor], Tensor]
        | str = "cross_entropy",
        rho: float = 0.75,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, **kwargs)
        self.objective = objectives.get(objective)
        check_targets(self)
        self.rho = check_number("rho", rho, 0.0, 1.0)
        self.passes_to_begin = self.passes_of_step = self.objective.passes

    def passes_on(self, victim: ClassifierView) -> Any:
        passes = self.objective.passes_on(victim)
        return passes, passes

    def runs(self, victim: ClassifierView) -> int:
        return self.restarts * self.objective.runs(victim.num_classes)

    def check(self, model: Any) -> None:
        self.objective.check(as_classifier(model))

    @property
    def total_steps(self) -> int:
        if self.norm == "l1":
            return apgd_l1.total_steps(self.steps)
        return self.steps

    def begin(self, task: Task) -> dict[str, Any]:
        if self.norm == "l1":
            return apgd_l1.begin(self, task)
        reference = self.objective.reference(task)
        shape = ops.shape(task.images)
        # On the border of the ball, not inside of it, as in the authors' code.
        noise = self.ball.sample_border(
            shape, task.epsilon, self.seed_generator
        )
        x = self._project(task)(task.images + noise)
        values, gradient, logits = self.evaluate(task, x, reference)
        none = ops.zeros_like(values)
        return {
            "x": x,
            "previous": x,
            "gradient": gradient,
            "value": values,
            "best": x,
            "best_gradient": gradient,
            "best_value": values,
            "step_size": none + 2.0 * task.epsilon,
            "rises": none,
            "checked_value": values,
            # As if the step had just been halved: at the first checkpoint there
            # is no earlier one to compare with, so the second condition must
            # not hold.
            "halved": ops.ones_like(values),
            "adversarial": x,
            "score": values,
            "found": task.is_success(logits),
            "reference": reference,
        }

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        if self.norm == "l1":
            return apgd_l1.step(self, task, state, count)
        reference = state["reference"]
        x = self._moved(task, state, count)
        values, gradient, logits = self.evaluate(task, x, reference)
        # Compared with the step before, not with the best: the paper's first
        # condition counts steps that climb.
        rose = values > state["value"]
        state = {
            **state,
            "x": x,
            "previous": state["x"],
            "gradient": gradient,
            "value": values,
            "rises": state["rises"] + ops.cast(rose, values.dtype),
        }
        state = _with_best(state)
        # A success ends the search, whatever its value.
        success = task.is_success(logits)
        state["adversarial"] = ops.where(
            success[:, None, None, None], x, state["best"]
        )
        state["score"] = state["best_value"]
        state["found"] = success
        return self._at_checkpoint(state, count)

    def _moved(self, task, state, count):
        """Steps along the gradient, with some of the last movement."""
        project = self._project(task)
        x, step_size = state["x"], state["step_size"][:, None, None, None]
        # `ahead` is z of algorithm 1, and what is returned x: three quarters of
        # the way to z, plus a quarter of the movement before.
        direction = self.ball.ascent_direction(state["gradient"])
        ahead = project(x + step_size * direction)
        # The first step has no movement before it.
        share = ops.where(count > 0, _MOMENTUM, 0.0)[:, None, None, None]
        moved = (1.0 - share) * (ahead - x) + share * (x - state["previous"])
        return project(x + moved)

    def _at_checkpoint(self, state, count):
        """Halves the step at a checkpoint where the search does not rise."""
        # Of each image, as each is at a step of its own; zero except at
        # checkpoints.
        period = ops.take(
            ops.convert_to_tensor(_periods(self.steps)), count, axis=0
        )
        checkpoint = period > 0
        stuck = (state["halved"] == 0) & (
            state["checked_value"] >= state["best_value"]
        )
        # Both conditions of the paper's section 3.1: too few steps have climbed
        # (the paper has `<`, the authors' code `<=`), or neither step size nor
        # best value has changed since the last checkpoint.
        halve = checkpoint & ((state["rises"] <= self.rho * period) | stuck)
        # `previous` is left alone, as in the authors' code: the next movement
        # counts from there to the best point.
        back = {
            **state,
            "x": state["best"],
            "gradient": state["best_gradient"],
            "step_size": state["step_size"] / 2.0,
        }
        state = select(halve, back, state)
        at_checkpoint = {
            **state,
            "rises": ops.zeros_like(state["rises"]),
            "checked_value": state["best_value"],
            "halved": ops.cast(halve, "float32"),
        }
        return select(checkpoint, at_checkpoint, state)

    def evaluate(self, task: Task, x: Any, reference: Any) -> Any:
        """Computes what is maximized, its gradient, and the logits."""
        values, gradient, logits = self.objective.value_and_gradient(
            task.victim, x, task.labels, reference
        )
        return task.sign * values, task.sign * gradient, logits

    def _project(self, task):
        return self.ball.projection(task.images, task.epsilon, task.value_range)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "objective": objectives.serialize(self.objective),
            "rho": self.rho,
        }


def _with_best(state):
    risen = {
        **state,
        "best": state["x"],
        "best_gradient": state["gradient"],
        "best_value": state["value"],
    }
    return select(state["value"] > state["best_value"], risen, state)


def _periods(steps):
    """Lists for each step the length of the period that it ends, or else 0."""
    # The paper's checkpoints are shares of all steps, p_{j+1} = p_j + max(p_j -
    # p_{j-1} - 0.03, 0.06). Rounded like this, they are those of the authors'
    # code.
    period = max(int(_FIRST_PERIOD * steps), 1)
    shortest = max(int(_LAST_PERIOD * steps), 1)
    decrease = max(int(_PERIOD_DECREASE * steps), 1)
    # One entry more than steps: images that are done stay in the batch for a
    # while and look theirs up at `steps`.
    lengths, end = np.zeros(steps + 1, "float32"), 0
    while (end := end + period) <= steps:
        lengths[end - 1] = period
        period = max(period - decrease, shortest)
    return lengths
