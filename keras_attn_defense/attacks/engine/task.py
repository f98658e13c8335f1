"""One batch to attack."""

from typing import Any
from typing import NamedTuple

from keras import ops

from ...classifier import class_indices


class Task(NamedTuple):
    """One batch to attack.

    Args:
        victim: A classifier view; see `classifier.as_classifier`.
        images: Clean images, float32 `(batch, height, width, channels)`.
        labels: Class indices `(batch,)`; soft labels `(batch, classes)` where
            the objective takes them.
        epsilon: Radius of the ball, a scalar tensor.
        value_range: `(lower, upper)` bounds of the images.
        sign: 1.0 to leave the classes `labels`, -1.0 to reach them.
        run: Number of the run, from 0, `(batch,)` or a single one: restarts
            and target classes are runs of their own.
    """

    victim: Any
    images: Any
    labels: Any
    epsilon: Any
    value_range: tuple
    sign: float = 1.0
    run: Any = 0

    def is_success(self, logits):
        """Tells which images these logits make a success, `(batch,)`."""
        labels = class_indices(self.labels, logits.shape[-1])
        predicted = ops.cast(ops.argmax(logits, axis=-1), labels.dtype)
        if self.sign > 0:
            return predicted != labels
        return predicted == labels
