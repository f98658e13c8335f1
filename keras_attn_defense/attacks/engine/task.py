"""One batch to attack."""

from typing import Any
from typing import NamedTuple

from keras import ops

from ..._typing import Tensor
from ..._typing import ValueRange
from ...classifier import ClassifierView
from ...data import class_indices


class Task(NamedTuple):
    """One batch to attack.

    Args:
        victim: The `ClassifierView` of what is attacked.
        images: Clean images, float32 `(batch, height, width, channels)`.
        labels: Class indices `(batch,)`; soft labels `(batch, classes)` where
            the objective takes them.
        epsilon: Radius of the ball, a scalar tensor.
        value_range: `(lower, upper)` bounds of the images.
        sign: 1.0 to leave the classes `labels`, -1.0 to reach them.
        run: Number of the run, from 0, `(batch,)` or a single one: restarts
            and target classes are runs of their own.
        start: Images that a run may start from, of the shape of `images`, or
            None; see `SearchAttack.starts`.

    Example:

    ```python
    # Looks at a single random image of the ball.
    class Sample(kad.attacks.SearchAttack):
        def begin(self, task: kad.attacks.Task):
            x = task.images + self.ball.sample(
                task.images.shape, task.epsilon, self.seed_generator
            )
            x = keras.ops.clip(x, *task.value_range)
            success = task.is_success(task.victim.frozen_logits(x))
            score = keras.ops.cast(success, "float32")
            return {"adversarial": x, "score": score, "found": success}

        def step(self, task, state, count, draws):
            return state


    x_adv = Sample(epsilon=8 / 255, steps=1)(model, x, y)
    ```
    """

    victim: ClassifierView
    images: Tensor
    labels: Tensor
    epsilon: Tensor
    value_range: ValueRange
    sign: float = 1.0
    run: Any = 0
    start: Tensor | None = None

    def is_success(self, logits: Tensor) -> Tensor:
        """Tells for which images these logits are a success.

        Args:
            logits: `(batch, classes)`.

        Returns:
            Booleans `(batch,)`.
        """
        labels = class_indices(self.labels, logits.shape[-1])
        predicted = ops.cast(ops.argmax(logits, axis=-1), labels.dtype)
        if self.sign > 0:
            return predicted != labels
        return predicted == labels
