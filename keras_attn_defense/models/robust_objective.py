"""The objective of an attack that follows a robust loss."""

from typing import Any
from typing import Self

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor
from ..attacks.engine.task import Task
from ..attacks.objectives import Objective
from ..data import class_probabilities
from ..losses import DistillationLoss
from ..losses import RobustLoss


@register
class RobustObjective(Objective):
    """Lets an attack maximize the `attacked` part of a robust loss.

    Args:
        loss: A `kad.losses.RobustLoss`.

    Example:

    ```python
    objective = kad.models.RobustObjective(kad.losses.TRADES())
    x_adv = kad.attacks.PGD(objective=objective)(model, x, y)
    ```
    """

    takes_soft_labels = True

    def __init__(self, loss: RobustLoss) -> None:
        self.loss = loss

    def reference(self, task: Task) -> Any:
        reference = {}
        if self.loss.compares_clean:
            reference["clean"] = task.victim.frozen_logits(task.images)
        if isinstance(self.loss, DistillationLoss):
            reference["teacher"] = self.loss.teacher_logits(task.images)
        return reference

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        labels = class_probabilities(labels, logits.shape[-1])
        both = reference.get("clean"), logits
        teacher = [reference["teacher"]] if "teacher" in reference else []
        return self.loss.attacked(
            ops.cast(labels, logits.dtype), (*both, *teacher)
        )

    def get_config(self) -> dict[str, Any]:
        return {"loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(keras.saving.deserialize_keras_object(config["loss"]))
