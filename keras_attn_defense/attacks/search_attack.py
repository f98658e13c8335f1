"""Attacks that end for each image when they have succeeded."""

from typing import Any

from keras import ops

from .._arguments import check_count
from .._arguments import not_defined
from .._backend import repeat
from .._backend import unrolls_loops
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from .attack import Attack
from .engine import search_loop
from .engine.task import Task

# Steps in one compiled call; between calls images that are done make room for
# others.
_STEPS_OF_CALL = 5


@register
class SearchAttack(Attack):
    """Base class: a search that is over for an image once it has succeeded.

    Each image has a state of its own, a (nested) dict of tensors whose first
    axis is that of the images. So an image that is done can leave, and another
    take its place, without anything being compiled again; memory does not grow
    with the number of steps. A subclass defines `begin` and `step`.

    The base class reads these entries of the state:

    - `"adversarial"`: the best images so far.
    - `"score"`: how good they are, `(batch,)`; of several runs that fail, the
      one with the highest is kept.
    - `"found"`: whether they are a success, `(batch,)`.

    Args:
        epsilon: Radius of the ball, in the units of the images; see `Attack`.
        steps: Number of steps of one run.
        **kwargs: Arguments of every attack: `norm`, `targeted`, `restarts`,
            `value_range`, `seed`, `name`; see `Attack`.

    Example:

    ```python
    # Tries one random corner of the ball after another.
    class NoiseSearch(kad.attacks.SearchAttack):
        def begin(self, task):
            found = keras.ops.zeros_like(task.labels, "bool")
            score = keras.ops.zeros_like(task.labels, "float32")
            images = task.images
            return {"adversarial": images, "score": score, "found": found}

        def draw(self, images, steps):
            shape = (steps, *images.shape)
            noise = keras.random.normal(shape, seed=self.seed_generator)
            return {"sign": keras.ops.sign(noise)}

        def step(self, task, state, count, draws):
            x_adv = task.images + task.epsilon * draws["sign"]
            x_adv = keras.ops.clip(x_adv, *task.value_range)
            found = task.is_success(task.victim.frozen_logits(x_adv))
            return {**state, "adversarial": x_adv, "found": found}


    x_adv = NoiseSearch(epsilon=8 / 255, steps=20)(model, x, y)
    ```
    """

    #: Forward and backward passes of `begin`, and of one `step`.
    passes_to_begin = (1, 1)
    passes_of_step = (1, 1)

    def __init__(
        self, epsilon: float | None = None, steps: int = 100, **kwargs: Any
    ) -> None:
        super().__init__(epsilon, **kwargs)
        self.steps = check_count("steps", steps)
        self._compiled = self._compiles(_functions)

    def begin(self, task: Task) -> dict[str, Any]:
        """The state of a run before its first step.

        Args:
            task: The `Task`.
        """
        raise not_defined(self, "begin", "it returns the state of a run")

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        """The state after one more step.

        Args:
            task: The `Task`.
            state: The state before it.
            count: Number of steps that each image has had in this run,
                `(batch,)`.
            draws: Random numbers of this step: what `draw` returned, for one
                step.
        """
        raise not_defined(self, "step", "it returns the state after a step")

    def draw(self, images: Tensor, steps: int) -> Any:
        """Random numbers of some steps, drawn before the loop.

        Args:
            images: The images `(batch, height, width, channels)`.
            steps: How many steps.

        Returns:
            A dict of tensors, the first axis that of the steps.
        """
        return {}

    def starts(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        """Chooses images to start from, `task.start` of `begin`, or None.

        Args:
            victim: The classifier view.
            images: All images that are attacked, in NumPy.
            labels: Their class indices.
            batch_size: Images in one call of the model.
        """
        return None

    def runs(self, victim: ClassifierView) -> int:
        """Counts the runs that an image has to resist."""
        return self.restarts

    @property
    def total_steps(self) -> int:
        """Number of steps after which a run is over in any case."""
        return self.steps

    def finished(self, state: Any) -> Tensor:
        """Tells which images need no more steps, `(batch,)`."""
        return state["found"]

    def advance(
        self, task: Task, state: Any, steps: int, first_draw: int = 0
    ) -> Any:
        """Some steps; images that are done stay as they are.

        Args:
            task: The `Task`.
            state: The state, with the base class's `"count"`.
            steps: Number of steps.
            first_draw: Number of the first step, counted over the whole
                attack, for victims that are random.
        """
        draws = self.draw(task.images, steps)

        def body(i, state):
            count = state["count"]
            victim = task.victim.with_draw(first_draw + i)
            after = self.step(
                task._replace(victim=victim),
                {k: v for k, v in state.items() if k != "count"},
                count,
                {k: ops.take(v, i, axis=0) for k, v in draws.items()},
            )
            after["count"] = count + 1
            # All images take the step; the result is dropped for those that are
            # done.
            over = self.finished(state) | (count >= self.total_steps)
            return select(over, state, after)

        return repeat(steps, body, state)

    def begin_counted(self, task: Task) -> Any:
        """`begin`, with the number of steps that the base class keeps."""
        state = self.begin(task)
        # Also for images that are wrong from the start.
        count = ops.zeros(ops.shape(task.labels), "int32")
        return {**state, "count": count}

    def passes_on(self, victim: ClassifierView) -> Any:
        """Counts forward and backward passes of `begin`, and of one `step`."""
        # What needs no gradients takes each answer as it comes.
        draws = 1 if self.black_box else victim.draws
        return tuple(
            (draws * forward, draws * backward)
            for forward, backward in (self.passes_to_begin, self.passes_of_step)
        )

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        if start is not None:
            raise ValueError(
                f"{type(self).__name__} starts from the beginning each time "
                "and cannot go on from other images, as `adversarial_rounds` "
                "and `sample_selection` ask. Use a `GradientAttack` there."
            )
        sign = -1.0 if self.targeted else 1.0
        task = Task(
            victim, images, labels, self.radius(value_range), value_range, sign
        )
        # Inside a compiled step no image can leave early: each takes all steps
        # of all runs.
        best: dict[str, Any] = {}
        for number in range(self.runs(victim)):
            current = task._replace(run=ops.full_like(labels, number))
            state = self.begin_counted(current)
            state = self.advance(current, state, steps or self.total_steps)
            best = better(best, state) if best else state
        return best["adversarial"]

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        return search_loop.search(
            self,
            self._compiled(self, victim, value_range),
            self.passes_on(victim),
            self.runs(victim),
            self.radius(value_range),
            images,
            labels,
            batch_size,
            self.starts(victim, images, labels, batch_size),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}


def select(mask: Tensor, first: Any, second: Any) -> Any:
    """Chooses between two states, image by image.

    Args:
        mask: Booleans `(batch,)`.
        first: A tensor, or a (nested) dict or list of them, whose first axis
            is that of the images: what is taken where the mask is set.
        second: The same, for where it is not.

    Returns:
        Tensors in the structure of `first`.

    Example:

    ```python
    before, after = {"x": np.zeros((2, 3))}, {"x": np.ones((2, 3))}
    state = kad.attacks.select(np.array([True, False]), after, before)
    np.testing.assert_array_equal(state["x"], [[1, 1, 1], [0, 0, 0]])
    ```
    """

    masks: dict[int, Tensor] = {}

    def choose(one, other):
        if one is other:
            return one
        if isinstance(one, dict):
            return {key: choose(one[key], other[key]) for key in one}
        if isinstance(one, (list, tuple)):
            return type(one)(map(choose, one, other))
        rank = len(one.shape)
        if rank not in masks:
            masks[rank] = ops.reshape(mask, (-1,) + (1,) * (rank - 1))
        return ops.where(masks[rank], one, other)

    return choose(first, second)


def better(first, second):
    """The first success of two states, or else the higher score."""
    ahead = second["found"] | (second["score"] > first["score"])
    return select(ahead & ~first["found"], second, first)


def _functions(attack, victim, value_range):
    sign = -1.0 if attack.targeted else 1.0

    def task(images, labels, epsilon, run, start=None):
        return Task(
            victim, images, labels, epsilon, value_range, sign, run, start
        )

    def begin(*arguments):
        return attack.begin_counted(task(*arguments))

    def advance(images, labels, epsilon, run, state, draw):
        current = task(images, labels, epsilon, run)
        steps = 1 if unrolls_loops() else _STEPS_OF_CALL
        state = attack.advance(current, state, steps, draw)
        over = attack.finished(state) | (state["count"] >= attack.total_steps)
        return state, over

    return {"begin": begin, "advance": advance, "select": select}
