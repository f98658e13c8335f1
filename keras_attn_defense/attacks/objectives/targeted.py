"""Objectives that go through the strongest wrong classes one by one."""

from typing import Any

from keras import ops

from ..._arguments import check_count
from ..._registration import register
from ..._typing import Tensor
from .dlr import targeted_dlr
from .margin import logit_of
from .margin import others
from .naming import named
from .objective import Objective


@register
class Targeted(Objective):
    """Base class: moves to the wrong classes of the clean image, in order.

    The first run takes the strongest wrong class, the second the next, and so
    on. An image leaves as soon as any class but its own is predicted.

    Args:
        num_targets: How many classes to go through; fewer where there are
            fewer wrong ones.
    """

    def __init__(self, num_targets=9):
        self.num_targets = check_count("num_targets", num_targets)

    def runs(self, num_classes):
        if num_classes is None:
            raise ValueError(
                f"{type(self).__name__} needs to know the number of classes, "
                "which a function inside a compiled step does not tell. Pass "
                "the Keras model."
            )
        return min(self.num_targets, num_classes - 1)

    def reference(self, task):
        logits = task.victim.frozen_logits(task.images)
        # Restarts go through all targets again.
        rank = task.run % self.runs(logits.shape[-1])
        return {"targets": ranked_target(logits, task.labels, rank)}

    def get_config(self):
        return {"num_targets": self.num_targets}


@named("targeted_margin")
@register
class TargetedMargin(Targeted):
    """`z_t - z_y` for the strongest wrong classes `t`.

    Args:
        num_targets: How many classes to go through.

    Example:

    ```python
    objective = kad.attacks.objectives.TargetedMargin(num_targets=3)
    x_adv = kad.attacks.APGD(objective=objective, steps=20)(model, x, y)
    ```
    """

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        targets = reference["targets"]
        return logit_of(logits, targets) - logit_of(logits, labels)


@named("targeted_dlr")
@register
class TargetedDLR(Targeted):
    """Targeted difference of logits ratio for the strongest wrong classes.

    Args:
        num_targets: How many classes to go through.

    Example:

    ```python
    # The APGD-T of AutoAttack: a run for each of the wrong classes.
    x_adv = kad.attacks.APGD(objective="targeted_dlr", steps=20)(model, x, y)
    ```

    Reference:
        [Croce and Hein, 2020](https://arxiv.org/abs/2003.01690), equation 7.
    """

    min_classes = 4

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        return targeted_dlr(logits, labels, reference["targets"])


def ranked_target(logits, labels, rank):
    """The wrong class of a rank, the strongest being of rank zero.

    Args:
        logits: `(batch, classes)`.
        labels: The true classes `(batch,)`.
        rank: Whole numbers `(batch,)`, or a single one.

    Returns:
        Class indices `(batch,)`.
    """
    order = ops.argsort(-others(logits, labels), axis=-1)
    rank = ops.broadcast_to(ops.cast(rank, "int32"), ops.shape(labels))
    chosen = ops.take_along_axis(order, rank[:, None], axis=-1)[:, 0]
    return ops.cast(chosen, "int32")
