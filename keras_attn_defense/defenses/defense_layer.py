"""The base class of defenses that are layers."""

from typing import Any

import keras
from keras import layers

from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import HowToAttack
from ..classifier import input_shape
from ..data import check_value_range
from ..data import known_value_range
from ..preprocessing.preprocessed_classifier import PreprocessedClassifier


@register
class DefenseLayer(layers.Layer):
    """Base class: a layer that is meant to defend the classifier behind it.

    A subclass overrides `call`, and says by `how_to_attack` how attacks get
    past it: `evaluate_robustness` and all attacks ask by themselves.

    It computes in float32 whatever the policy, as images are not rounded
    before an attack can see what is done to them.

    Args:
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    # Every other column is replaced by its neighbor.
    @keras.saving.register_keras_serializable(package="examples")
    class Interlacing(kad.defenses.DefenseLayer):
        def call(self, images):
            return keras.ops.repeat(images[:, :, ::2], 2, axis=2)


    defended = kad.defenses.defend(model, Interlacing())
    ```
    """

    def __init__(
        self, value_range: ValueRange = (0.0, 1.0), name: str | None = None
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.value_range = check_value_range(value_range)
        self.built = True

    def how_to_attack(self) -> HowToAttack:
        """Returns what attacks have to know; here, that there is nothing."""
        return HowToAttack()

    def protect(
        self, model: keras.Model, name: str | None = None
    ) -> keras.Model:
        """Returns a classifier with this defense in front of a model.

        Args:
            model: A built classifier.
            name: Name of the new classifier.
        """
        self.check(model)
        shape = input_shape(model)[1:]
        return PreprocessedClassifier(
            model, self, self.value_range, shape, name
        )

    def check(self, model: keras.Model) -> None:
        """Raises a `ValueError` if a model takes images of another range."""
        its = known_value_range(model)
        if its not in (None, self.value_range):
            raise ValueError(
                f"The model '{model.name}' takes images in value_range={its}, "
                f"the defense {type(self).__name__} in value_range="
                f"{self.value_range}. Build the defense with value_range={its}."
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {"value_range": self.value_range, "name": self.name}


def identity(x: Tensor) -> Tensor:
    """The substitute of what hardly changes anything."""
    return x
