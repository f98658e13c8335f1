"""A loss from a user's function."""

from collections.abc import Callable
from typing import Any
from typing import Self

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor


@register
class FunctionLoss(keras.losses.Loss):
    """A function of two tensors as a loss, averaged for each sample.

    Args:
        function: Takes `y_true` and `y_pred`; returns values whose first axis
            is the batch, or a single value. To save it, register it with
            `keras.saving.register_keras_serializable`.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
    """

    def __init__(
        self,
        function: Callable[[Tensor, Tensor], Tensor],
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.function = function

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        values = ops.convert_to_tensor(self.function(y_true, y_pred))
        # One value for each sample, which Keras reduces and weights.
        axes = tuple(range(1, len(values.shape)))
        return ops.mean(values, axis=axes) if axes else values

    def get_config(self) -> dict[str, Any]:
        return {
            "function": keras.saving.serialize_keras_object(self.function),
            "reduction": self.reduction,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        function = config["function"]
        if not callable(function):
            function = keras.saving.deserialize_keras_object(function)
        return cls(**{**config, "function": function})
