"""HopSkipJump: the smallest perturbation, from predicted classes alone.

    x = an image that is adversarial: one of another class, or noise
    for each round, until the queries are used up:
        x = where the way from the clean image to x meets the boundary
        direction = mean of noise around x, + where adversarial, - elsewhere
        length = distance of x / sqrt(round)
        while x + length * direction is not adversarial: halve the length
        x = x + length * direction
    return the closest adversarial image that was asked for

Each step asks for the class of one image. Images are in different phases of
this at the same time: which, is part of their state.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from ..classifier import ClassifierView
from ..classifier import CompiledFunctions
from ..classifier.predictor import Predictor
from .arguments import check_norm
from .engine.closest import keep_closest
from .engine.closest import nothing_yet
from .engine.task import Task
from .search_attack import SearchAttack
from .search_attack import select

# Phases: looks for any adversarial image, for the boundary, for a direction,
# and for how far to go there.
_START, _BISECT, _ESTIMATE, _MOVE = range(4)
# The way to the boundary is divided until a share of it is left that depends on
# the number of values, but not less than float32 tells apart.
_COARSEST, _FINEST = 1e-3, 1e-6
# How far away noise is in the first round, as a share of the value range.
_FIRST_REACH = 0.1
# A move is given up when it has become this share of the distance.
_SHORTEST = 1e-4


@register
class HopSkipJump(SearchAttack):
    """Walks along the class boundary towards the clean image.

    Needs the predicted classes only, as of a model that returns one-hot
    vectors; everything counts in queries. A round finds the boundary by
    bisection, estimates from the answers to noise around that point which way
    leads across it, and goes there as far as stays adversarial.

    Args:
        epsilon: None looks for the smallest perturbation with all queries.
            With a number, in the units of the images, an image is done as soon
            as a perturbation of that size is found; a larger one is shortened
            to it.
        queries: Number of queries of one run, for each image. One for the
            clean image comes on top, and with `start="image"` another.
        start: `"image"` starts from the nearest of the images attacked
            together that the model takes for another class (for the target, if
            `targeted`), and from noise if there is none; `"noise"` from
            noise. Noise and images of one color are drawn by turns until one
            is adversarial.
        initial_samples: Noise for the direction of the first round. It grows
            with the square root of the rounds.
        reach: Euclidean length of this noise, as a share of the distance. None
            means one by the number of values of an image.
        norm: `"l2"` or `"linf"`, which is made small.
        **kwargs: Arguments of every attack: `targeted`, `restarts`,
            `value_range`, `seed`, `name`; see `Attack`.

    Example:

    ```python
    attack = kad.attacks.HopSkipJump(queries=200, seed=0)
    result = attack.run(model, x, y)
    assert (result.forward_passes == 202).all()
    ```

    Reference:
        [Chen et al., 2020](https://arxiv.org/abs/1904.02144), algorithm 2.
    """

    black_box = True
    minimal = True
    passes_of_step = (1, 0)

    def __init__(
        self,
        epsilon: float | None = None,
        queries: int = 5000,
        *,
        start: str = "image",
        initial_samples: int = 100,
        reach: float | None = None,
        norm: Norm = "l2",
        **kwargs: Any,
    ) -> None:
        if "steps" in kwargs:
            raise ValueError(
                "Each step of HopSkipJump is a query of the model. Pass "
                "`queries` in place of `steps`. Received: "
                f"steps={kwargs['steps']!r}"
            )
        queries = check_count("queries", queries)
        super().__init__(epsilon, queries, norm=norm, **kwargs)
        check_norm(self, ("l2", "linf"))
        if start not in ("image", "noise"):
            raise ValueError(
                "`start` should be 'image' or 'noise'. Received: "
                f"start={start!r}"
            )
        self.start = start
        self.initial_samples = check_count("initial_samples", initial_samples)
        self.reach = reach
        if reach is not None:
            self.reach = check_number("reach", reach, 0.0, 1.0, above=True)
        self._predictions = CompiledFunctions(_functions)

    @property
    def passes_to_begin(self) -> tuple[int, int]:  # type: ignore[override]
        """Passes of the clean image: one, and one to find starts for others."""
        return (2 if self.start == "image" else 1), 0

    def starts(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> np.ndarray | None:
        if self.start == "noise":
            return None
        classes = Predictor(victim, batch_size, self._predictions).classes(
            images
        )
        return _nearest_of_other_class(images, classes, labels, self.targeted)

    def draw(self, images: Tensor, steps: int) -> Any:
        shape = (steps, *ops.shape(images))
        if self.norm == "linf":
            noise = keras.random.uniform(
                shape, -1.0, 1.0, seed=self.seed_generator
            )
        else:
            noise = keras.random.normal(shape, seed=self.seed_generator)
        return {"noise": noise}

    def begin(self, task: Task) -> dict[str, Any]:
        images = task.images
        success = task.is_success(task.victim.frozen_logits(images))
        state = keep_closest(
            task, nothing_yet(task), self.ball, images, success
        )
        zeros = ops.zeros_like(state["score"])
        return {
            **state,
            "phase": ops.full_like(task.labels, _START),
            "point": images if task.start is None else task.start,
            # Which share of the way to `point` is adversarial, and which not.
            "upper": zeros + 1.0,
            "lower": zeros,
            "round": zeros,
            # Answers so far, their sum, and that of noise without and with
            # their signs.
            "asked": zeros,
            "answers": zeros,
            "noise": ops.zeros_like(images),
            "direction": ops.zeros_like(images),
            "length": zeros,
        }

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        phase, point = state["phase"], state["point"]
        starting, bisecting, estimating, moving = (
            phase == each for each in (_START, _BISECT, _ESTIMATE, _MOVE)
        )
        distance = self.ball.norm(point - task.images)
        reach = _spread(self._reach(task, state, distance))
        middle = (state["lower"] + state["upper"]) / 2.0

        # The image whose class is asked for, by phase.
        noise = draws["noise"]
        x = self._first(task, point, count, noise)
        between = self._between(task, point, distance, middle)
        x = select(bisecting, between, x)
        x = select(estimating, point + reach * _unit(noise), x)
        moved = point + _spread(state["length"]) * state["direction"]
        x = ops.clip(select(moving, moved, x), *task.value_range)
        success = task.is_success(task.victim.frozen_logits(x))
        state = keep_closest(task, state, self.ball, x, success)

        # Bisection, after a start or a move that is adversarial.
        reached = success & (starting | moving)
        upper = ops.where(bisecting & success, middle, state["upper"])
        lower = ops.where(bisecting & ~success, middle, state["lower"])
        crossed = bisecting & (upper - lower <= self._finest(task))
        boundary = self._between(task, point, distance, upper)

        # The direction, of noise without what was cut off at the bounds.
        counted = ops.cast(estimating, "float32")
        answer = counted * ops.where(success, 1.0, -1.0)
        asked, answers = state["asked"] + counted, state["answers"] + answer
        noise = (x - point) / reach
        total = state["noise"] + _spread(counted) * noise
        direction = state["direction"] + _spread(answer) * noise
        samples = ops.floor(self.initial_samples * ops.sqrt(state["round"]))
        known = estimating & (asked >= samples)
        # Less the mean answer, unless all are the same.
        mean = answers / ops.maximum(asked, 1.0)
        mean = _spread(ops.where(ops.abs(mean) < 1.0, mean, 0.0))
        unbiased = self.ball.ascent_direction(direction - mean * total)

        # The move. A direction that leads nowhere is estimated again.
        short = moving & ~success
        length = ops.where(short, state["length"] / 2.0, state["length"])
        useless = short & (length < _SHORTEST * distance)
        first = distance / ops.sqrt(ops.maximum(state["round"], 1.0))

        begins = crossed | useless
        goes_on = ops.cast(~begins, "float32")
        phase = ops.where(known, _MOVE, phase)
        phase = ops.where(begins, _ESTIMATE, phase)
        return {
            **state,
            "phase": ops.where(reached, _BISECT, phase),
            "point": select(reached, x, select(crossed, boundary, point)),
            "upper": ops.where(reached, 1.0, upper),
            "lower": ops.where(reached, 0.0, lower),
            "round": state["round"] + 1.0 - goes_on,
            "asked": goes_on * asked,
            "answers": goes_on * answers,
            "noise": _spread(goes_on) * total,
            "direction": _spread(goes_on) * select(known, unbiased, direction),
            "length": ops.where(known, first, length),
        }

    def finished(self, state: Any) -> Tensor:
        return state["done"]

    def _first(self, task, start, count, noise):
        """Returns images to start from: those given, noise, or one color."""
        lower, upper = task.value_range
        if self.norm == "l2":  # Normal noise becomes uniform.
            noise = ops.erf(noise / 2.0**0.5)
        # Many networks take all noise for one class, but not all colors.
        flat = ops.zeros_like(noise) + noise[:, :1, :1, :]
        noise = select(count % 2 == 1, flat, noise)
        x = lower + (upper - lower) * (noise + 1.0) / 2.0
        return x if self.start == "noise" else select(count == 0, start, x)

    def _between(self, task, point, distance, share):
        """Returns points between the clean image (0) and `point` (1)."""
        change = point - task.images
        if self.norm == "linf":
            bound = _spread(share * distance)
            return task.images + ops.clip(change, -bound, bound)
        return task.images + _spread(share) * change

    def _reach(self, task, state, distance):
        """Returns the length of noise around the point."""
        lower, upper = task.value_range
        share = self.reach or 1.0 / _values(task.images)
        reach = ops.where(
            state["round"] > 1.0,
            share * distance,
            _FIRST_REACH * (upper - lower),
        )
        return ops.maximum(reach, _FINEST * (upper - lower))

    def _finest(self, task):
        """Returns the share of the way that bisection ends with."""
        exponent = 2.0 if self.norm == "linf" else 1.5
        share = _values(task.images) ** -exponent
        return min(max(share, _FINEST), _COARSEST)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        queries = config.pop("steps")
        return {
            **config,
            "queries": queries,
            "start": self.start,
            "initial_samples": self.initial_samples,
            "reach": self.reach,
        }


def _functions(victim):
    return {"logits": victim.logits}


def _nearest_of_other_class(images, classes, labels, targeted):
    """Finds starts among images; where there is none, the image itself.

    Args:
        images: NumPy images `(N, height, width, channels)`.
        classes: What the model takes them for, `(N,)`.
        labels: The classes to leave or to reach, `(N,)`.
        targeted: Which of both.
    """
    flat = images.reshape(len(images), -1)
    squares = np.square(flat).sum(-1)
    starts = images.copy()
    for index, label in enumerate(labels):
        others = (classes == label) if targeted else (classes != label)
        others &= classes >= 0
        if others.any():
            distances = squares - 2.0 * flat @ flat[index]
            nearest = np.argmin(np.where(others, distances, np.inf))
            starts[index] = images[nearest]
    return starts


def _values(images):
    return float(np.prod(images.shape[1:]))


def _unit(noise):
    square = ops.sum(ops.square(noise), axis=(1, 2, 3), keepdims=True)
    return noise / ops.sqrt(ops.maximum(square, 1e-30))


def _spread(values):
    return values[:, None, None, None]
