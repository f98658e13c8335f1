"""Square: random search with square windows.

    change = a random pattern at the border of the ball
    for each query:
        tried = change, replaced in a random square window
        change = tried, if the objective is higher or the image misclassified
        the windows shrink as queries go by

`square_moves` has the patterns and replacements of each norm.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from ..classifier import ClassifierView
from ..classifier import as_classifier
from ..data import from_channels_last
from ..data import to_channels_last
from . import objectives
from .engine.task import Task
from .objectives.objective import Objective
from .search_attack import SearchAttack
from .search_attack import select
from .square_moves import PatternedSquares
from .square_moves import SignedSquares
from .square_moves import halvings


@register
class Square(SearchAttack):
    """Random search that changes one square window of each image at a time.

    Only predictions are used, no gradients. A change is kept if it raises the
    objective. The windows become smaller as the queries go on.

    Args:
        epsilon: Radius of the ball, in the units of the images. None means
            8/255 of the value range, 0.5 times it in the `"l2"` norm and 12
            times it in `"l1"`.
        queries: Number of changes that are tried in one run.
        p_init: Share of the image's area that a window covers at first,
            above 0 and at most 1.
        objective: What is maximized, a function of the logits: `"margin"`,
            `"cross_entropy"` or another; see `kad.attacks.objectives`.
        rescale_schedule: Whether the windows shrink over the queries given,
            rather than as published, for 10,000 queries.
        **kwargs: Arguments of every attack: `norm`, `targeted`, `restarts`,
            `value_range`, `seed`, `name`; see `Attack`.

    Example:

    ```python
    x_adv = kad.attacks.Square(epsilon=8 / 255, queries=100)(model, x, y)
    ```

    Reference:
        [Andriushchenko et al., 2020](https://arxiv.org/abs/1912.00049); in
        the l1 norm
        [Croce and Hein, 2021](https://arxiv.org/abs/2103.01208), section 4.
    """

    black_box = True
    passes_to_begin = (1, 0)
    passes_of_step = (1, 0)

    def __init__(
        self,
        epsilon: float | None = None,
        queries: int = 5000,
        *,
        p_init: float = 0.8,
        objective: Objective
        | Callable[[Tensor, Tensor], Tensor]
        | str = "margin",
        rescale_schedule: bool = False,
        **kwargs: Any,
    ) -> None:
        if "steps" in kwargs:
            raise ValueError(
                "Each step of Square is a query of the model. Pass `queries` "
                f"in place of `steps`. Received: steps={kwargs['steps']!r}"
            )
        super().__init__(epsilon, check_count("queries", queries), **kwargs)
        self.p_init = check_number("p_init", p_init, 0.0, 1.0, above=True)
        # One prediction a query.
        self.objective = objectives.get(objective).of_logits("Square")
        self.rescale_schedule = bool(rescale_schedule)

    @property
    def moves(self) -> Any:
        """The starts and next tries of its norm."""
        if self.norm == "linf":
            return SignedSquares(self.p_init)
        return PatternedSquares(self.p_init, {"l2": 2, "l1": 1}[self.norm])

    def runs(self, victim: ClassifierView) -> int:
        return self.restarts * self.objective.runs(victim.num_classes)

    def check(self, model: Any) -> None:
        self.objective.check(as_classifier(model))

    def draw(self, images: Tensor, steps: int) -> Any:
        batch, *_, channels = ops.shape(to_channels_last(images))

        def uniform(*shape):
            shape = (steps, batch, *shape)
            return keras.random.uniform(shape, seed=self.seed_generator)

        # All random numbers of all steps at once, one row for each image: so
        # an image that leaves the batch early does not change the others.
        draws = {"corners": uniform(2, 2), "signs": uniform(channels)}
        return {**draws, "flip": uniform()}

    def begin(self, task: Task) -> dict[str, Any]:
        reference = self.objective.reference(task)
        images = to_channels_last(task.images)
        change = self.moves.start(
            ops.shape(images), task.epsilon, self.seed_generator
        )
        return {
            **self._judged(task, change, reference),
            "reference": reference,
        }

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        images, best = map(
            to_channels_last, (task.images, state["adversarial"])
        )
        queries = self.steps if self.rescale_schedule else None
        # A move is proposed for the change that was best so far, and kept only
        # where it raises the objective or fools the model.
        change = self.moves.move(
            best - images, task.epsilon, halvings(count, queries), draws
        )
        tried = {**state, **self._judged(task, change, state["reference"])}
        better = tried["found"] | (tried["score"] > state["score"])
        return select(better, tried, state)

    def _judged(self, task, change, reference):
        """Returns the state of changed images, brought back to the ball."""
        project = self.ball.projection(
            task.images, task.epsilon, task.value_range
        )
        x = project(task.images + from_channels_last(change))
        logits = task.victim.frozen_logits(x)
        values = self.objective.call(logits, task.labels, reference)
        return {
            "adversarial": x,
            "score": task.sign * values,
            "found": task.is_success(logits),
        }

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        queries = config.pop("steps")
        return {
            **config,
            "queries": queries,
            "p_init": self.p_init,
            "objective": objectives.serialize(self.objective),
            "rescale_schedule": self.rescale_schedule,
        }
