"""Carlini and Wagner's attack: the smallest change, by optimization.

    x = lower + (tanh(w) + 1) / 2 * (upper - lower)  # always inside the range
    gap = max(confidence - (largest wrong logit - true logit), 0)
    for each round:
        for each step: w = Adam(w, gradient of constant * gap + size of change)
        the constant rises if the round failed, and falls if it succeeded
    return the success with the smallest change

`carlini_wagner_penalties` has the size of the change in each norm, and the
next constant.
"""

import math
from typing import Any

from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from .arguments import check_norm
from .carlini_wagner_penalties import ExcessOverBound
from .carlini_wagner_penalties import SquaredLength
from .engine.draws import expected_logits
from .engine.draws import over_draws
from .engine.image_gradient import image_gradient
from .engine.task import Task
from .objectives import margin
from .search_attack import SearchAttack
from .search_attack import select

# The hyperbolic tangent reaches the bounds of the images only at infinity.
_INSIDE = 0.999999
# A round is given up when a tenth of its steps lower the loss by less.
_LEAST_PROGRESS = 0.9999
# Of Adam, with a step count of its own for each image.
_MEAN_DECAY = 0.9
_VARIANCE_DECAY = 0.999
_TINY = 1e-8


@register
class CarliniWagner(SearchAttack):
    """Carlini and Wagner's attack: small changes, found slowly.

    `FMN` and `DDN` find smaller ones for a small part of the passes.

    Minimizes `penalty + constant * max(z_y - max_{i != y} z_i + confidence,
    0)` over images `x = tanh(w)`, scaled to the value range, with Adam. The
    penalty is the squared length in `"l2"`, with a binary search over the
    constant; a round ends early where it makes no progress. In `"linf"` it is
    the excess of each value over a bound that shrinks by a tenth after each
    success, which ends a round. Lengths count as shares of the value range, so
    that the defaults fit any.

    Args:
        epsilon: None returns the smallest perturbation found, however large;
            with a number, in the units of the images, an image is done once
            its perturbation is that small.
        steps: Largest number of steps in a round, that is for one constant
            and bound.
        learning_rate: Learning rate of Adam. In `"linf"` it is multiplied by
            the bound: Adam cannot stop closer than its steps are long.
        confidence: By how much the wrong logit should be ahead.
        binary_search_steps: Number of rounds. In `"linf"`, where rounds are
            many and short, only its product with `steps` counts: no image
            takes more steps than that.
        initial_const: The first constant. It grows tenfold until a round
            succeeds.
        norm: `"l2"` or `"linf"`, which is made small.
        **kwargs: Arguments of every attack: `targeted`, `value_range`, `name`;
            see `Attack`.

    Example:

    ```python
    attack = kad.attacks.CarliniWagner(steps=20, binary_search_steps=3)
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Carlini and Wagner, 2017](https://arxiv.org/abs/1608.04644), sections
        VI-A and VI-C.
    """

    minimal = True
    passes_to_begin = (1, 0)

    _norms: tuple[Norm, ...] = ("l2", "linf")

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 1000,
        *,
        learning_rate: float = 0.01,
        confidence: float = 0.0,
        binary_search_steps: int = 9,
        initial_const: float = 1e-3,
        norm: Norm = "l2",
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, norm=norm, **kwargs)
        check_norm(self, self._norms)
        self.learning_rate = check_number("learning_rate", learning_rate)
        self.confidence = check_number("confidence", confidence)
        self.binary_search_steps = check_count(
            "binary_search_steps", binary_search_steps
        )
        self.initial_const = check_number("initial_const", initial_const)
        self._penalty: SquaredLength | ExcessOverBound
        if norm == "linf":
            self._penalty = ExcessOverBound(self.initial_const)
        else:
            self._penalty = SquaredLength(
                self.initial_const, self.binary_search_steps
            )

    @property
    def total_steps(self) -> int:
        return self.steps * self.binary_search_steps

    def begin(self, task: Task) -> dict[str, Any]:
        start = self._start(task)
        success = task.is_success(expected_logits(task.victim, task.images))
        nothing = ops.zeros_like(task.labels, dtype="float32")
        size = ops.where(success, 0.0, nothing + float("inf"))
        return {
            "start": start,
            "search": self._penalty.begin(task.labels),
            **self._begin_round(start),
            "adversarial": task.images,
            "score": -size,
            "found": success,
            "over": success,
        }

    def _start(self, task):
        """Returns what a round starts from."""
        return _to_unbounded(task.images, task.value_range)

    def _begin_round(self, start):
        nothing = ops.zeros_like(start[:, 0, 0, 0])
        return {
            "w": start,
            "adam": adam_start(start),
            "number": ops.cast(nothing, "int32"),
            "succeeded": nothing > 0,
            "checked_loss": nothing + float("inf"),
        }

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        # The images of w, and the loss there: constant * gap + penalty.
        search = state["search"]
        x, slope = _to_images(state["w"], task.value_range)
        width = task.value_range[1] - task.value_range[0]
        change = (x - task.images) / width
        gap, gap_gradient, logits = self._gap_and_gradient(task, x)
        penalty, penalty_slope = self._penalty(change, search)
        constant = search["constant"]
        loss = constant * gap + penalty
        # Both gradients by x, then by w (the chain rule: `slope` is dx / dw).
        # That of the penalty is by `change`, which is in units of the range.
        gradient = constant[:, None, None, None] * gap_gradient
        gradient = (gradient + penalty_slope / width) * slope
        number = state["number"] + 1
        rate = self.learning_rate * self._penalty.pace(search)
        # One step of Adam.
        moved, adam = adam_step(state["adam"], gradient, number, rate)
        # A success has all of the confidence asked for; one that is `met` also
        # satisfies the penalty, so that the round has succeeded.
        success = task.is_success(logits) & (gap <= 0)
        met = success & self._penalty.is_met(penalty, search)
        stalled, checked_loss = self._stalled(state, number, loss)
        # What is judged and kept is `x`, the point before this step of Adam:
        # its logits are known.
        size = self.ball.norm(x - task.images)
        state = {
            **self._with_best(task, state, x, size, success),
            "w": state["w"] - moved,
            "adam": adam,
            "number": number,
            "succeeded": state["succeeded"] | met,
            "checked_loss": checked_loss,
        }
        # The round is over after all steps; in l-infinity also on success, in
        # l2 when the loss has stalled.
        ended = met if self._penalty.ends_with_success else stalled
        over = ended | (number >= self.steps)
        # Rounds end at different steps for different images. Those that begin a
        # new one get a fresh Adam; the others go on.
        return select(over, self._next_round(state, size / width), state)

    def _gap(self, task, logits):
        """Computes what is missing for success, `(batch,)`."""
        ahead = task.sign * margin(logits, task.labels)
        return ops.relu(self.confidence - ahead)

    def _gap_and_gradient(self, task, x):
        """Computes the gap at images, its gradient, and logits."""

        def gap(logits):
            return self._gap(task, logits)

        return over_draws(
            task.victim,
            lambda view: image_gradient(view.frozen_logits, gap, x),
        )

    def _stalled(self, state, number, loss):
        """Tells whether the loss has not fallen since the last look."""
        # The authors' `abort_early`: look ten times a round.
        look = number % math.ceil(self.steps / 10) == 0
        checked_loss = state["checked_loss"]
        progress = loss <= _LEAST_PROGRESS * checked_loss
        return look & ~progress, ops.where(look, loss, checked_loss)

    def _with_best(self, task, state, x, size, success):
        project = self.ball.projection(
            task.images, task.epsilon, task.value_range
        )
        better = success & (-size > state["score"])
        score = ops.where(better, -size, state["score"])
        found = -score <= task.epsilon
        return {
            **state,
            "adversarial": ops.where(
                better[:, None, None, None], project(x), state["adversarial"]
            ),
            "score": score,
            "found": found & ops.isfinite(score),
            # With a radius, any image within it will do.
            "over": found & ops.isfinite(task.epsilon),
        }

    def _next_round(self, state, size):
        succeeded = state["succeeded"]
        start = state["start"]
        if self._penalty.ends_with_success:
            # In l-infinity the next bound is only a little tighter, so the
            # round goes on from the last success. In l2 each constant starts at
            # the clean image.
            start = select(succeeded, state["w"], start)
        search = self._penalty.next(state["search"], succeeded, size)
        return {
            **state,
            "start": start,
            "search": search,
            **self._begin_round(start),
            "over": state["over"] | self._penalty.is_over(search),
        }

    def finished(self, state: Any) -> Tensor:
        return state["over"]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate,
            "confidence": self.confidence,
            "binary_search_steps": self.binary_search_steps,
            "initial_const": self.initial_const,
        }


def _to_unbounded(images, value_range):
    """Returns the `w` of images."""
    lower, upper = value_range
    centered = (2.0 * images - lower - upper) / (upper - lower)
    return ops.arctanh(ops.clip(centered, -_INSIDE, _INSIDE))


def _to_images(w, value_range):
    """Returns the images of `w`, and their derivative by it."""
    lower, upper = value_range
    half = (upper - lower) / 2.0
    tanh = ops.tanh(w)
    return lower + half * (tanh + 1.0), half * (1.0 - ops.square(tanh))


def adam_start(x):
    """The state before the first step: a dict of `mean` and `variance`."""
    return {"mean": ops.zeros_like(x), "variance": ops.zeros_like(x)}


def adam_step(state, gradient, number, learning_rate):
    """Computes what to subtract, and the state after it.

    Args:
        state: What `adam_start` returned, or this function.
        gradient: `(batch, height, width, channels)`.
        number: Number of this step, from 1, `(batch,)`.
        learning_rate: A number, or one for each image `(batch, 1, 1, 1)`.

    Returns:
        The change to subtract, and the new state.

    Reference:
        [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980), algorithm 1.
    """
    mean = _MEAN_DECAY * state["mean"] + (1.0 - _MEAN_DECAY) * gradient
    variance = _VARIANCE_DECAY * state["variance"]
    variance = variance + (1.0 - _VARIANCE_DECAY) * ops.square(gradient)
    number = ops.cast(number, "float32")[:, None, None, None]
    unbiased_mean = mean / (1.0 - _MEAN_DECAY**number)
    unbiased_variance = variance / (1.0 - _VARIANCE_DECAY**number)
    size = ops.sqrt(unbiased_variance) + _TINY
    change = learning_rate * unbiased_mean / size
    return change, {"mean": mean, "variance": variance}
