"""FAB: the fast adaptive boundary attack.

for each step:
    f(x') = value + normal . (x' - x), the nearest boundary as linear
    from_x = smallest change of x that reaches it inside the range
    from_clean = smallest change of the clean image that reaches it
    x = weighted mean of both points, each moved a little beyond
    if x is misclassified:
        keep it if it is the closest so far
        x = a point between it and the clean image, to come closer
"""

from typing import Any

from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from .engine.closest import keep_closest
from .engine.draws import expected_logits
from .engine.task import Task
from .hyperplanes import change_to_hyperplane
from .hyperplanes import nearest_boundary
from .objectives import Margin
from .objectives import TargetedMargin
from .objectives.margin import others
from .objectives.targeted import ranked_target
from .perturbation_sets.l1_ball import flat
from .search_attack import SearchAttack
from .search_attack import select

# The shortest length that is divided by.
_SHORT = 1e-8


@register
class FAB(SearchAttack):
    """Fast adaptive boundary attack: looks for the smallest perturbation.

    Each step takes the logits as linear and goes to the nearest boundary
    between classes, biased towards the clean image and a little beyond the
    boundary. Where the class has changed, the perturbation is noted, if it is
    the smallest so far, and the search goes on closer to the clean image.

    Args:
        epsilon: None looks for the smallest perturbation in all steps and
            runs. With a number, in the units of the images, an image is done
            as soon as a perturbation of that size is found; a larger one is
            shortened to it.
        steps: Number of steps of one run.
        num_targets: How many of the strongest wrong classes of the clean
            image to go through, each in a run of its own. None goes to the
            nearest class in each step instead, which takes a backward pass
            for each wrong class. Not used if `targeted`.
        alpha_max: Largest weight of the step from the clean image.
        eta: How far a step goes; above 1 is beyond the boundary.
        beta: What is left of a perturbation when a step has succeeded.
        **kwargs: Arguments of every attack: `norm`, `targeted`, `restarts`
            (the first run starts at the clean image, others at random points
            nearby), `value_range`, `seed`, `name`; see `Attack`.

    Example:

    ```python
    x_adv = kad.attacks.FAB(norm="l2", steps=10)(model, x, y)
    ```

    Reference:
        [Croce and Hein, 2020](https://arxiv.org/abs/1907.02044), algorithm 1.
    """

    minimal = True
    passes_to_begin = (1, 0)
    # Without targets more gradients: see `run_batches`.
    passes_of_step = (2, 1)

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 100,
        *,
        num_targets: int | None = 9,
        alpha_max: float = 0.1,
        eta: float = 1.05,
        beta: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, **kwargs)
        if num_targets is not None:
            num_targets = check_count("num_targets", num_targets)
        self.num_targets = num_targets
        self.alpha_max = check_number("alpha_max", alpha_max)
        self.eta = check_number("eta", eta)
        self.beta = check_number("beta", beta)

    def runs(self, victim: ClassifierView) -> int:
        return self.restarts * self._targets(victim.num_classes)

    def begin(self, task: Task) -> dict[str, Any]:
        logits = expected_logits(task.victim, task.images)
        success = task.is_success(logits)
        distance = ops.where(success, 0.0, float("inf"))
        return {
            "x": self._start(task, logits.shape[-1]),
            "rivals": self._rivals(task, logits),
            "adversarial": task.images,
            # The score is the distance, negated: the highest is kept.
            "score": -distance,
            "found": success,
            "done": success,
        }

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        x = self._approached(task, state)
        success = task.is_success(expected_logits(task.victim, x))
        state = keep_closest(task, {**state, "x": x}, self.ball, x, success)
        back = task.images + self.beta * (x - task.images)
        return select(success, {**state, "x": back}, state)

    def finished(self, state: Any) -> Tensor:
        return state["done"]

    def _approached(self, task, state):
        """Steps to the boundary, from the point and from the clean image."""
        lower, upper = task.value_range
        x, images = state["x"], task.images
        value, normal = self._boundary(task, state)
        # The same linear function at the clean image: both points are brought
        # to one plane, that of the logits at `x`.
        at_clean = value + ops.sum(normal * (images - x), axis=(1, 2, 3))
        # Both projections in one call, one after the other in the batch.
        changes = change_to_hyperplane(
            flat(ops.concatenate([x, images])),
            flat(ops.concatenate([normal, normal])),
            ops.concatenate([value, at_clean]),
            task.value_range,
            self.norm,
        )
        changes = ops.reshape(changes, (2, *ops.shape(x)))
        moved, pulled = changes[0], changes[1]
        length, other = (
            ops.maximum(self.ball.norm(change), _SHORT)
            for change in (moved, pulled)
        )
        # The closer the point is to the boundary, the more it counts.
        share = ops.minimum(length / (length + other), self.alpha_max)
        share = share[:, None, None, None]
        # A little beyond the boundary (eta > 1), where the classes are no
        # longer tied.
        from_x = x + self.eta * moved
        from_clean = images + self.eta * pulled
        x = (1.0 - share) * from_x + share * from_clean
        return ops.clip(x, lower, upper)

    def _boundary(self, task, state):
        """Returns value and gradient of a function, zero at the boundary."""
        if self.targeted:
            return Margin().value_and_gradient(
                task.victim, state["x"], task.labels, {}
            )[:2]
        return nearest_boundary(
            task.victim, state["x"], task.labels, state["rivals"], self.ball
        )[:2]

    def _start(self, task, num_classes):
        # Restarts begin at half the radius, as in the authors' code; without a
        # radius, at half of the norm's default.
        if self.restarts == 1:
            return task.images
        lower, upper = task.value_range
        usual = self.ball.default_epsilon * (upper - lower)
        radius = ops.where(ops.isinf(task.epsilon), usual, task.epsilon)
        noise = self.ball.sample_border(
            ops.shape(task.images), radius / 2.0, self.seed_generator
        )
        # Runs go through all targets before they start over: the first round of
        # them begins at the clean image.
        first = task.run < self._targets(num_classes)
        x = ops.clip(task.images + noise, lower, upper)
        return select(first, task.images, x)

    def _rivals(self, task, logits):
        """Lists the classes to go to, `(batch, rivals)`."""
        classes = logits.shape[-1]
        if self.num_targets is None:
            # `others` makes the true class the lowest, so it comes last and is
            # cut off.
            order = ops.argsort(-others(logits, task.labels), axis=-1)
            return ops.cast(order[:, : classes - 1], "int32")
        rank = task.run % self._targets(classes)
        return ranked_target(logits, task.labels, rank)[:, None]

    def _targets(self, num_classes):
        if self.targeted or self.num_targets is None:
            return 1
        return TargetedMargin(self.num_targets).runs(num_classes)

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        result = super().run_batches(
            victim, value_range, images, labels, batch_size
        )
        if self.targeted or self.num_targets is not None:
            return result
        # `nearest_boundary` has taken one backward pass for each wrong class.
        gradients = victim.num_classes - 1
        return result._replace(
            backward_passes=result.backward_passes * gradients
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_targets": self.num_targets,
            "alpha_max": self.alpha_max,
            "eta": self.eta,
            "beta": self.beta,
        }
