"""An objective of a user's own."""

import keras

from ..._registration import register
from .objective import Objective


@register
class FunctionObjective(Objective):
    """A function of the logits and labels as an objective.

    Args:
        function: Takes logits `(batch, classes)` and class indices
            `(batch,)`, returns `(batch,)`. To save it, register it with
            `keras.saving.register_keras_serializable`.

    Example:

    >>> attack = PGD(objective=lambda logits, labels: -logits[:, 0])
    """

    def __init__(self, function):
        self.function = function

    def call(self, logits, labels, reference):
        return self.function(logits, labels)

    def get_config(self):
        return {"function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config):
        function = config["function"]
        if not callable(function):
            function = keras.saving.deserialize_keras_object(function)
        return cls(function)
