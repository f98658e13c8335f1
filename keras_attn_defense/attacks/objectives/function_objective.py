"""An objective of a user's own."""

from collections.abc import Callable
from typing import Any
from typing import Self

import keras

from ..._registration import register
from ..._typing import Tensor
from .objective import Objective


@register
class FunctionObjective(Objective):
    """A function of the logits and labels as an objective.

    Args:
        function: Takes logits `(batch, classes)` and class indices
            `(batch,)`, returns `(batch,)`. To save it, register it with
            `keras.saving.register_keras_serializable`.

    Example:

    ```python
    def first_class_down(logits, labels):
        return -logits[:, 0]


    x_adv = kad.attacks.PGD(objective=first_class_down)(model, x, y)
    ```
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        return self.function(logits, labels)

    def get_config(self) -> dict[str, Any]:
        return {"function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        function = config["function"]
        if not callable(function):
            function = keras.saving.deserialize_keras_object(function)
        return cls(function)
