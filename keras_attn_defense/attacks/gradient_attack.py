"""Attacks of a fixed number of gradient steps, and their one loop."""

from collections.abc import Callable
from typing import Any
from typing import Self

import numpy as np
from keras import ops

from .._backend import repeat
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from ..classifier import as_classifier
from ..classifier import check_number
from ..classifier.padding import padded_batches
from . import objectives
from .arguments import check_count
from .arguments import check_step_size
from .arguments import check_targets
from .attack import Attack
from .objectives.objective import Objective
from .running.ascent import Ascent
from .running.compiled_attack import CompiledAttack
from .running.result import Result
from .running.task import Task
from .running.trajectory import trajectory
from .running.worst_case import worst_case


@register
class GradientAttack(Attack):
    """Base class: climbs an objective inside a norm ball around the images.

    A subclass chooses defaults, or overrides `start`, `target` or
    `direction`.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` from which it is drawn anew for each batch.
            None means 8/255 of the value range (in `"l2"` 0.5 times it).
        step_size: Length of one step, in the units of the images. None
            derives it from `epsilon`.
        steps: Number of gradient steps.
        objective: What is maximised: a name, an `Objective`, or a function
            `(logits, labels) -> values`; see `kad.attacks.objectives`.
        random_start: Whether to start at a random point of the ball.
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
        random_start: bool = False,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, **kwargs)
        self.step_size = check_step_size(step_size)
        self.steps = check_count("steps", steps)
        self.objective = objectives.get(objective)
        check_targets(self)
        self.random_start = bool(random_start)
        self.label_smoothing = check_number(
            "label_smoothing", label_smoothing, 0.0, 1.0
        )
        if self.label_smoothing:
            self._smooth()
        self._compiled = CompiledAttack(_functions)

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        lengths = self.lengths(value_range)
        return self.climb(
            victim, images, labels, value_range, lengths, start, steps
        )

    def climb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        lengths: Any,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Any:
        """`perturb` with the radius and the step size given.

        Args:
            lengths: `(epsilon, step_size)`, scalar tensors.
        """
        ascent = Ascent(self, victim, images, labels, value_range, lengths)

        def run(number):
            reference, state = ascent.begin(number, start)

            def step(i, state):
                return ascent.step(reference, i, state)

            return repeat(steps or self.steps, step, state)[0]

        if start is not None:
            return run(0)
        candidates = [run(number) for number in range(self.runs(victim))]
        return worst_case(candidates, ascent.task)

    def trajectory(
        self,
        model: Model,
        x: Any,
        y: Tensor | None = None,
        batch_size: int = 128,
    ) -> np.ndarray:
        """The way of each image through the attack, step by step.

        Each step is a compiled call of its own, the same one for all. Of
        several runs, the first is followed; with a single one, the last entry
        is what a call of the attack returns for the same seed.

        Args:
            model: As in a call.
            x: NumPy images `(N, height, width, channels)`.
            y: NumPy labels. None attacks the class that is predicted.
            batch_size: Images in one compiled call.

        Returns:
            Images in NumPy, float32, of shape `(steps + 1, N, height, width,
            channels)`: the clean ones, then those after each step. A random
            start has no entry of its own: the first step begins there.
        """
        victim, value_range, images, labels = self._prepared(model, x, y)

        def follow(x, y):
            functions = self._compiled(self, victim, value_range)
            batch = (x, y, *self.lengths(value_range))
            reference, state = functions["begin"](*batch)
            for i in range(self.steps):
                i = ops.convert_to_tensor(i)
                state = functions["step"](*batch, reference, i, state)
                yield state[0]

        return trajectory(images, labels, self.steps, follow, batch_size)

    @property
    def takes_soft_labels(self) -> bool:  # type: ignore[override]
        return self.objective.takes_soft_labels and not self.targeted

    def runs(self, victim: ClassifierView) -> int:
        """Restarts, times the classes that the objective goes through."""
        return self.restarts * self.objective.runs(victim.num_classes)

    def start(self, images: Tensor, epsilon: Any) -> Tensor:
        """Where the first step begins; projected afterwards."""
        if not self.random_start:
            return images
        shape = ops.shape(images)
        return images + self.ball.sample(shape, epsilon, self.seed_generator)

    def target(
        self, victim: ClassifierView, images: Tensor, labels: Tensor
    ) -> Any:
        """The class of the objective, and 1.0 to leave or -1.0 to reach it."""
        return labels, -1.0 if self.targeted else 1.0

    def reference(self, task: Task) -> Any:
        """What is computed once from the clean images, a dict of tensors.

        Args:
            task: The `Task`.
        """
        return self.objective.reference(task)

    def perturbation_set(self, reference: Any) -> Any:
        """What a perturbation may be.

        Args:
            reference: What `reference` returned.
        """
        return self.ball

    def gradient(self, task: Task, x: Any, reference: Any, i: int) -> Any:
        """The gradient of the objective at the images of one step.

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
        """What `direction` carries from step to step."""
        return ()

    def direction(self, gradient: Tensor, memory: Any) -> Tensor:
        """The step of norm one along `gradient`, and the new memory."""
        return self.ball.ascent_direction(gradient), memory

    def relative_step_size(self) -> Any:
        """The step size as a share of epsilon, where none was given."""
        return min(1.0, 2.5 / self.steps)

    def lengths(self, value_range: ValueRange) -> Any:
        """The radius and the step size, scalar tensors."""
        epsilon = self.radius(value_range)
        if self.step_size is None:
            return epsilon, epsilon * self.relative_step_size()
        return epsilon, self.step_size * ops.convert_to_tensor(self.strength)

    def check(self, model: Model) -> None:
        self.objective.check(as_classifier(model))

    def with_epsilon(self, epsilon: float | None) -> Self:
        other = super().with_epsilon(epsilon)
        if None not in (self.epsilon, self.step_size, other.epsilon):
            largest = float(np.max(self.epsilon))
            if largest:
                share = float(np.max(other.epsilon)) / largest
                other.step_size = self.step_size * share
        return other

    def craft_batch(
        self, victim: ClassifierView, value_range: ValueRange, x: Any, y: Tensor
    ) -> Any:
        craft = self._compiled(self, victim, value_range)["craft"]
        return craft(x, y, *self.lengths(value_range))

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
        runs = self.runs(victim)
        forward, backward = self.objective.passes
        ones = np.ones(len(images), "int64")
        return Result(
            crafted,
            # The last pass of each run only chooses among them.
            ones * runs * (forward * self.steps + (runs > 1)),
            ones * runs * backward * self.steps,
        )

    def get_config(self) -> dict[str, Any]:
        objective = self.objective
        return {
            **super().get_config(),
            "step_size": self.step_size,
            "steps": self.steps,
            "objective": objectives.serialize(objective),
            "random_start": self.random_start,
            "label_smoothing": self.label_smoothing,
        }

    def _smooth(self):
        if type(self.objective) is not objectives.CrossEntropy:
            raise ValueError(
                "`label_smoothing` is part of the cross-entropy. Received: "
                f"label_smoothing={self.label_smoothing} with the objective "
                f"{type(self.objective).__name__}. Leave one of them out."
            )
        self.objective = objectives.CrossEntropy(self.label_smoothing)


def _functions(attack, victim, value_range):
    def ascent(x, y, *lengths):
        return Ascent(attack, victim, x, y, value_range, lengths)

    def craft(x, y, *lengths):
        return attack.climb(victim, x, y, value_range, lengths)

    def begin(*batch):
        return ascent(*batch).begin(0)

    def step(x, y, epsilon, step_size, reference, i, state):
        return ascent(x, y, epsilon, step_size).step(reference, i, state)

    return {"craft": craft, "begin": begin, "step": step}
