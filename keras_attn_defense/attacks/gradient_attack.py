"""Attacks of a fixed number of gradient steps: the whole algorithm.

for each run:  # restarts, or target classes
    reference = what the objective compares with, from the clean images
    x = project(start(images))
    for each step:
        gradient = the objective's, by x; negative if targeted
        x = project(x + step_size * direction(gradient))
return the x of the run that does most harm, for each image
"""

import functools
from collections.abc import Callable
from typing import Any
from typing import Self

import numpy as np
from keras import ops
from keras import random

from .._arguments import check_count
from .._arguments import check_number
from .._backend import repeat
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from ..classifier import as_classifier
from ..data import padded_batches
from . import objectives
from .arguments import check_random_start
from .arguments import check_step_size
from .arguments import check_targets
from .attack import Attack
from .engine.attack_result import AttackResult
from .engine.draws import expected_logits
from .engine.task import Task
from .objectives.cross_entropy import smoothed
from .objectives.objective import Objective


@register
class GradientAttack(Attack):
    """Base class: climbs an objective inside a norm ball around the images.

    A subclass chooses defaults, or overrides a step of the algorithm:
    `target`, `reference`, `start`, `gradient`, `direction` with its `memory`,
    or `perturbation_set`.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` from which each batch draws its own.
            None means 8/255 of the value range (in `"l2"` 0.5 times it).
        step_size: Length of one step, in the units of the images. None
            derives it from `epsilon`.
        steps: Number of gradient steps.
        objective: What is maximized: a name, an `Objective`, or a function
            `(logits, labels) -> values`; see `kad.attacks.objectives`.
        random_start: Whether to start at a random point of the ball; or a
            number, the standard deviation of normal noise around the image.
        label_smoothing: Smoothing of the labels in the cross-entropy.
        **kwargs: Arguments of every attack: `norm`, `targeted`, `restarts`,
            `value_range`, `seed`, `name`; see `Attack`.

    Example:

    ```python
    # Steps towards the strongest wrong class.
    class RunnerUp(kad.attacks.GradientAttack):
        def target(self, victim, images, labels):
            logits = victim.frozen_logits(images)
            others = logits - 1e9 * keras.ops.one_hot(labels, logits.shape[1])
            return keras.ops.argmax(others, axis=-1), -1.0


    x_adv = RunnerUp(epsilon=8 / 255, steps=10)(model, x, y)
    ```
    """

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 1,
        *,
        objective: Objective
        | Callable[[Tensor, Tensor], Tensor]
        | str = "cross_entropy",
        random_start: bool | float = False,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, **kwargs)
        self.step_size = check_step_size(step_size)
        self.steps = check_count("steps", steps)
        self.objective = objectives.get(objective)
        check_targets(self)
        self.random_start = check_random_start(random_start)
        self.label_smoothing = check_number(
            "label_smoothing", label_smoothing, 0.0, 1.0
        )
        if self.label_smoothing:
            self.objective = smoothed(self.objective, self.label_smoothing)
        self._compiled = self._compiles(_functions)

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        epsilon, step_size = self.epsilon_and_step_size(value_range)
        task = self._task(victim, images, labels, epsilon, value_range)
        return self._run(task, step_size, start, steps)

    def _task(self, victim, images, labels, epsilon, value_range):
        labels, sign = self.target(victim, images, labels)
        return Task(victim, images, labels, epsilon, value_range, sign)

    def _run(self, task, step_size, start=None, steps=None):
        """Attacks one batch; of several runs, keeps the worst of each image."""

        def one_run(number):
            reference, state = self._begin(task._replace(run=number), start)
            step = functools.partial(self._step, task, step_size, reference)
            return repeat(steps or self.steps, step, state)[0]

        if start is not None:
            return one_run(0)
        return worst_case(map(one_run, range(self.runs(task.victim))), task)

    def _begin(self, task, start=None):
        """Returns the reference of a run, and its state before any step."""
        reference = self.reference(task)
        if start is None:
            start = self.start(task.images, task.epsilon)
            start = self._project(task, reference, start)
        return reference, (start, self.memory(task.images))

    def _step(self, task, step_size, reference, i, state):
        """Returns the state after step `i`."""
        x, memory = state
        # A random model draws other numbers in each step.
        current = task._replace(victim=task.victim.with_draw(i))
        gradient = task.sign * self.gradient(current, x, reference, i)
        ball = self.perturbation_set(reference)
        gradient = ball.restrict(gradient, x, task.value_range)
        direction, memory = self.direction(gradient, memory)
        x = self._project(task, reference, x + step_size * direction)
        return x, memory

    def _project(self, task, reference, x):
        ball = self.perturbation_set(reference)
        return ball.projection(task.images, task.epsilon, task.value_range)(x)

    def trajectory(
        self,
        model: Model,
        x: Any,
        y: Tensor | None = None,
        batch_size: int = 128,
    ) -> np.ndarray:
        """Records the images after each step of the attack.

        Of several runs, the first is recorded; with a single one, the last
        entry is what a call of the attack returns for the same seed.

        Args:
            model: As in a call.
            x: NumPy images `(N, height, width, channels)`.
            y: NumPy labels. None attacks the class that is predicted.
            batch_size: Images in one compiled call, one for each step.

        Returns:
            NumPy images, `(steps + 1, N, height, width, channels)`: the clean
            ones, then those after each step. A random start has no entry.
        """
        victim, value_range, images, labels = self._prepared(model, x, y)
        path = np.empty((self.steps + 1, *images.shape), "float32")
        path[0] = images
        for rows, batch in padded_batches(images, labels, size=batch_size):
            functions = self._compiled(self, victim, value_range)
            inputs = (*batch, *self.epsilon_and_step_size(value_range))
            reference, state = functions["begin"](*inputs)
            for i in range(self.steps):
                step = ops.convert_to_tensor(i)
                state = functions["step"](*inputs, reference, step, state)
                x_adv = ops.convert_to_numpy(state[0])
                path[i + 1, rows] = x_adv[: rows.stop - rows.start]
        return path

    @property
    def takes_soft_labels(self) -> bool:  # type: ignore[override]
        return self.objective.takes_soft_labels and not self.targeted

    def runs(self, victim: ClassifierView) -> int:
        """Counts the runs: restarts, times the objective's target classes."""
        return self.restarts * self.objective.runs(victim.num_classes)

    def start(self, images: Tensor, epsilon: Any) -> Tensor:
        """Returns where the first step begins; it is projected afterwards."""
        if not self.random_start:
            return images
        shape, seed = ops.shape(images), self.seed_generator
        if self.random_start is True:
            return images + self.ball.sample(shape, epsilon, seed)
        return images + random.normal(shape, 0.0, self.random_start, seed=seed)

    def target(
        self, victim: ClassifierView, images: Tensor, labels: Tensor
    ) -> tuple[Tensor, float]:
        """Returns the objective's labels, and 1.0 to leave or -1.0 to reach."""
        return labels, -1.0 if self.targeted else 1.0

    def reference(self, task: Task) -> Any:
        """Computes a dict of tensors that all steps of a run compare with."""
        return self.objective.reference(task)

    def perturbation_set(self, reference: Any) -> Any:
        """Returns a ball, or what has its `projection` and `restrict`."""
        return self.ball

    def gradient(self, task: Task, x: Any, reference: Any, i: int) -> Tensor:
        """Computes the gradient of the objective at the images of one step.

        Args:
            task: The `Task`.
            x: Images `(batch, height, width, channels)`.
            reference: What `reference` returned.
            i: Number of the step, from 0.
        """
        return self.objective.value_and_gradient(
            task.victim, x, task.labels, reference
        )[1]

    def memory(self, images: Tensor) -> Any:
        """Returns what `direction` carries on from step to step, at first."""
        return ()

    def direction(self, gradient: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """Returns the step of norm one along `gradient`, and the new memory."""
        return self.ball.ascent_direction(gradient), memory

    def passes_of_step(self, victim: ClassifierView) -> tuple[int, int]:
        """Counts the forward and backward passes of one step on a victim."""
        return self.objective.passes_on(victim)

    def relative_step_size(self) -> Any:
        """Returns the step size as a share of epsilon, if none was given."""
        return min(1.0, 2.5 / self.steps)

    def epsilon_and_step_size(
        self, value_range: ValueRange
    ) -> tuple[Tensor, Tensor]:
        """Returns the radius and the step size, scalar tensors."""
        epsilon = self.radius(value_range)
        if self.step_size is None:
            return epsilon, epsilon * self.relative_step_size()
        return epsilon, self.step_size * ops.convert_to_tensor(self.strength)

    def check(self, model: Any) -> None:
        self.objective.check(as_classifier(model))

    def with_epsilon(self, epsilon: float | None) -> Self:
        other = super().with_epsilon(epsilon)
        if None not in (self.epsilon, self.step_size, other.epsilon):
            largest = float(np.max(self.epsilon))
            if largest:
                # A step size that was given stays the same share of the radius.
                share = float(np.max(other.epsilon)) / largest
                other.step_size = self.step_size * share
        return other

    def craft_batch(
        self, victim: ClassifierView, value_range: ValueRange, x: Any, y: Tensor
    ) -> Any:
        craft = self._compiled(self, victim, value_range)["craft"]
        return craft(x, y, *self.epsilon_and_step_size(value_range))

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        crafted = np.empty_like(images)
        for rows, (x, y) in padded_batches(images, labels, size=batch_size):
            x_adv = self.craft_batch(victim, value_range, x, y)
            crafted[rows] = ops.convert_to_numpy(x_adv)[: len(crafted[rows])]
        runs = self.runs(victim) * np.ones(len(images), "int64")
        forward, backward = self.passes_of_step(victim)
        return AttackResult(
            crafted,
            # The last pass of each run only chooses among them.
            runs * (forward * self.steps + victim.draws * (runs > 1)),
            runs * backward * self.steps,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "step_size": self.step_size,
            "steps": self.steps,
            "objective": objectives.serialize(self.objective),
            "random_start": self.random_start,
            "label_smoothing": self.label_smoothing,
        }


def worst_case(candidates: Any, task: Task) -> Tensor:
    """Returns, for each image alone, the candidate that does most harm."""
    worst, *others = candidates
    if not others:
        return worst
    most = _harm(worst, task)
    for candidate in others:
        harm = _harm(candidate, task)
        is_worse = (harm > most)[:, None, None, None]
        worst = ops.where(is_worse, candidate, worst)
        most = ops.maximum(harm, most)
    return worst


def _harm(images, task):
    logits = expected_logits(task.victim, images)
    loss = task.sign * objectives.cross_entropy(logits, task.labels)
    # A success counts more than any height of the loss.
    return loss + 1e4 * ops.cast(task.is_success(logits), loss.dtype)


def _functions(attack, victim, value_range):
    def task(x, y, epsilon):
        return attack._task(victim, x, y, epsilon, value_range)

    def craft(x, y, epsilon, step_size):
        return attack._run(task(x, y, epsilon), step_size)

    def begin(x, y, epsilon, step_size):
        return attack._begin(task(x, y, epsilon))

    def step(x, y, epsilon, step_size, reference, i, state):
        return attack._step(task(x, y, epsilon), step_size, reference, i, state)

    return {"craft": craft, "begin": begin, "step": step}
