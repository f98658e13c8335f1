"""FMN: steps along the gradient, on a ball that ends at the boundary.

x = a step to the nearest of the linearized class boundaries
for each step:
    if x is adversarial:
        keep it, if it is the closest so far
        radius = a little smaller
    else, if nothing was found yet:
        radius = the size of the change + the distance to the boundary
    else: radius = a little larger
    x = x + step_size * gradient / its length
    x = the nearest point of the ball of that radius, inside the range
"""

from typing import Any

from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from . import schedules
from .arguments import check_step_size
from .engine.closest import keep_closest
from .engine.closest import nothing_yet
from .engine.draws import expected_logits
from .engine.task import Task
from .hyperplanes import nearest_boundary
from .objectives import Margin
from .objectives.margin import others
from .perturbation_sets import L0Ball
from .perturbation_sets import L2Ball
from .perturbation_sets.l1_ball import flat
from .search_attack import SearchAttack

# What is left of the length of a step, and of gamma, after the last step.
_LAST_STEP = 0.01
_LAST_GAMMA = 0.02
# How far beyond the linearized boundary the first success is looked for, as a
# share of its distance: exactly there, rounding would decide.
_BEYOND = 0.02
# The shortest length, and the least slope, that is divided by.
_SHORT = 1e-30
# Norm of the first step, in radii. Steps go along the gradient itself, and it
# is the projection that gives them the shape of the ball; so they are to be
# longer where it takes more of them away.
_RADII = {"linf": 6.0, "l2": 1.0, "l1": 10.0}
# In l0 steps have to cross the range: their norm, in widths of it.
_WIDTHS = 100.0


@register
class FMN(SearchAttack):
    """Fast minimum norm: the smallest perturbations at the least cost.

    The images move along the gradient of the margin, on a ball around the
    clean images whose radius follows the class boundary: it shrinks by a share
    after a success and grows by it after a failure. The closest success is
    kept.

    Two things go beyond the paper, and may be switched off. The first step is
    that of `DeepFool`, to the nearest of the boundaries of several classes
    (`candidates=2` looks at one), and lengths of steps follow the radius, so
    that they fit any network (a `step_size` is fixed).

    Args:
        epsilon: None looks for the smallest perturbation in all steps. With a
            number, in the units of the images, an image is done as soon as a
            perturbation of that size is found; a larger one is shortened to
            it.
        steps: Number of steps, each of one forward and one backward pass.
        step_size: Euclidean length of the first step, in the units of the
            images; it falls to a hundredth of that along a cosine. None
            derives it from the radius at each step.
        gamma: The share by which the radius changes at first; it falls to a
            fiftieth of that along a cosine.
        candidates: How many of the strongest classes of the clean image the
            first step looks at, the true one included, with a backward pass
            for each of the others. Without meaning if `targeted`.
        norm: `"linf"`, `"l2"`, `"l1"`, or `"l0"`, the number of values that
            change, each of the channels of a pixel for itself. Reports have
            no radii in `"l0"`.
        **kwargs: Arguments of every attack: `targeted`, `value_range`,
            `name`; see `Attack`.

    Example:

    ```python
    x_adv = kad.attacks.FMN(norm="l1", steps=20)(model, x, y)
    ```

    Reference:
        [Pintor et al., 2021](https://arxiv.org/abs/2102.12827), algorithm 1.
    """

    minimal = True
    # And a backward pass for each further candidate: see `run_batches`.
    passes_to_begin = (2, 1)

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 100,
        *,
        step_size: float | None = None,
        gamma: float = 0.15,
        candidates: int = 10,
        norm: Norm = "linf",
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, norm=norm, **kwargs)
        self.step_size = check_step_size(step_size)
        self.gamma = check_number("gamma", gamma, 0.0, 1.0)
        # The true class is one of them.
        self.candidates = check_count("candidates", candidates, lowest=2)

    def _ball_of(self, norm):
        return L0Ball() if norm == "l0" else super()._ball_of(norm)

    def begin(self, task: Task) -> dict[str, Any]:
        images = task.images
        logits = expected_logits(task.victim, images)
        success = task.is_success(logits)
        state = keep_closest(
            task, nothing_yet(task), self.ball, images, success
        )
        radius = ops.zeros_like(state["score"])
        state = {**state, "x": images, "radius": radius}
        lead, gradient = self._first_boundary(task, logits)
        first = ops.zeros_like(task.labels)
        return self._moved(task, state, lead, gradient, success, first)

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        x = state["x"]
        lead, gradient, logits = self._margin(task, x)
        success = task.is_success(logits)
        state = keep_closest(task, state, self.ball, x, success)
        return self._moved(task, state, lead, gradient, success, count + 1)

    def finished(self, state: Any) -> Tensor:
        return state["done"]

    def _margin(self, task, x):
        """Returns a lead that is positive for a success, with its gradient."""
        margin, gradient, logits = Margin().value_and_gradient(
            task.victim, x, task.labels, {}
        )
        return task.sign * margin, task.sign * gradient, logits

    def _first_boundary(self, task, logits):
        """Returns lead and gradient of the nearest of the candidates."""
        if self.targeted:
            return self._margin(task, task.images)[:2]
        ranked = ops.argsort(-others(logits, task.labels), axis=-1)
        rivals = ranked[:, : self._rivals(logits.shape[-1])]
        return nearest_boundary(
            task.victim,
            task.images,
            task.labels,
            ops.cast(rivals, "int32"),
            self.ball,
        )[:2]

    def _rivals(self, num_classes):
        return min(self.candidates, num_classes) - 1

    def _moved(self, task, state, lead, gradient, success, move):
        """Returns the state after a step along `gradient`."""
        radius = self._radius(task, state, lead, gradient, success, move)
        direction = L2Ball().ascent_direction(gradient)
        # One more than there are steps: the first is that of `begin`.
        moves = self.steps + 1
        length = schedules.annealed(move, moves, 1.0, _LAST_STEP)
        if self.step_size is not None:
            length = length * self.step_size
        elif self.norm == "l0":
            lower, upper = task.value_range
            length = length * _WIDTHS * (upper - lower)
        else:
            size = ops.maximum(self.ball.norm(direction), _SHORT)
            length = length * _RADII[self.norm] * radius / size
        project = self.ball.projection(
            task.images, radius[:, None, None, None], task.value_range
        )
        x = project(state["x"] + length[:, None, None, None] * direction)
        return {**state, "x": x, "radius": radius}

    def _radius(self, task, state, lead, gradient, success, move):
        """Returns the next radius of the ball."""
        x, images = state["x"], task.images
        lower, upper = task.value_range
        moves = self.steps + 1
        gamma = schedules.annealed(move, moves, self.gamma, _LAST_GAMMA)
        smaller = ops.minimum((1.0 - gamma) * state["radius"], -state["score"])
        # Until something is found: to the boundary, the lead taken as linear.
        if self.norm == "l0":
            missing = _values_to_the_boundary(task, x, lead, gradient)
        else:
            steepness = ops.maximum(self.ball.dual_norm(gradient), _SHORT)
            missing = ops.abs(lead) / steepness
        boundary = self.ball.norm(x - images) + missing
        larger = ops.where(
            ops.isfinite(state["score"]),
            (1.0 + gamma) * state["radius"],
            (1.0 + _BEYOND) * boundary,
        )
        if self.norm == "l0":
            # Whole numbers, and other ones than before.
            smaller = ops.minimum(ops.floor(smaller), -state["score"] - 1.0)
            smaller = ops.maximum(smaller, 1.0)
            larger = ops.maximum(ops.ceil(larger), state["radius"] + 1.0)
        # No point of the range is farther away than this.
        farthest = self.ball.norm(ops.maximum(images - lower, upper - images))
        return ops.minimum(ops.where(success, smaller, larger), farthest)

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
        if self.targeted:
            return result
        # Each beginning is counted with one backward pass less than forward.
        begun = result.forward_passes - result.backward_passes
        more = begun * (self._rivals(victim.num_classes) - 1)
        return result._replace(backward_passes=result.backward_passes + more)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "step_size": self.step_size,
            "gamma": self.gamma,
            "candidates": self.candidates,
        }


def _values_to_the_boundary(task, x, lead, gradient):
    """Counts the values that have to change, the lead taken as linear."""
    lower, upper = task.value_range
    room = ops.where(gradient > 0, upper - x, x - lower)
    # What each gains that goes to its bound; those that gain most first.
    gains = -ops.sort(-flat(ops.abs(gradient) * room), axis=-1)
    short = ops.cumsum(gains, axis=-1) < ops.abs(lead)[:, None]
    return 1.0 + ops.sum(ops.cast(short, "float32"), axis=-1)
