"""The lead of the strongest other class over the true one."""

from typing import Any

from keras import ops

from ..._registration import register
from ..._typing import Tensor
from .naming import named
from .objective import Objective


@named("margin")
@register
class Margin(Objective):
    """The margin `max_{i != y} z_i - z_y`, positive where an image is wrong.

    Example:

    ```python
    x_adv = kad.attacks.PGD(objective="margin")(model, x, y)
    ```

    Reference:
        [Carlini and Wagner, 2017](https://arxiv.org/abs/1608.04644), the
        objective `f_6` without its threshold.
    """

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        return margin(logits, labels)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The strongest other logit less that of the class `labels`.

    Args:
        logits: `(batch, classes)`.
        labels: Class indices `(batch,)`.

    Returns:
        `(batch,)`.

    Example:

    ```python
    logits = np.array([[2.0, 0.0, 5.0]], "float32")
    value = kad.attacks.objectives.margin(logits, np.array([0]))
    assert value == 3.0  # above zero: classified wrongly
    ```
    """
    return strongest_other(logits, labels) - logit_of(logits, labels)


def logit_of(logits, labels):
    """The logit of one class for each image, `(batch,)`."""
    hot = ops.one_hot(labels, logits.shape[-1], dtype="bool")
    return ops.sum(ops.where(hot, logits, 0.0), axis=-1)


def strongest_other(logits, labels):
    """The largest logit of the other classes, `(batch,)`."""
    return ops.max(others(logits, labels), axis=-1)


def others(logits, labels):
    """The logits, the lowest possible at the class `labels`."""
    hot = ops.one_hot(labels, logits.shape[-1], dtype="bool")
    # About the lowest number of float32. An infinity times zero would be NaN.
    return ops.where(hot, -3e38, logits)
