"""What attacks maximize: the base classes, and a user's own function."""

from collections.abc import Callable
from typing import Any
from typing import Self

import keras
from keras import ops

from ..._arguments import not_defined
from ..._backend import vjp
from ..._registration import register
from ..._typing import Tensor
from ...classifier import ClassifierView
from ..engine.draws import over_draws
from ..engine.image_gradient import image_gradient
from ..engine.task import Task


@register
class Objective:
    """Base class of what an attack maximizes: one value an image.

    A subclass overrides `call`, a function of the logits; `value_and_gradient`
    if it needs more of the model than those; and `reference` for what it
    compares with.

    Example:

    ```python
    # How undecided the model is.
    @keras.saving.register_keras_serializable(package="examples")
    class Entropy(kad.attacks.objectives.Objective):
        def call(self, logits, labels, reference):
            log_p = keras.ops.log_softmax(logits, axis=-1)
            return -keras.ops.sum(keras.ops.exp(log_p) * log_p, axis=-1)


    x_adv = kad.attacks.PGD(objective=Entropy())(model, x)
    ```
    """

    #: The least number of classes that it is defined for.
    min_classes = 2
    #: Whether the labels change its values.
    uses_labels = True
    #: Whether `call` also takes labels `(batch, classes)` of probabilities.
    takes_soft_labels = False

    def check(self, victim: ClassifierView) -> None:
        """Raises a `ValueError` if the objective cannot serve on a model.

        Args:
            victim: A classifier view; see `classifier.as_classifier`.
        """
        classes = victim.num_classes
        if classes is not None and classes < self.min_classes:
            raise ValueError(
                f"The objective {type(self).__name__} needs at least "
                f"{self.min_classes} classes; the model has {classes}. Use "
                "'cross_entropy' or 'margin'."
            )

    def runs(self, num_classes: int) -> int:
        """Counts the target classes, each of which takes a run."""
        return 1

    def reference(self, task: Task) -> Any:
        """Computes what a run compares with, from the clean images.

        Args:
            task: The `Task`.

        Returns:
            A dict of tensors, the first axis that of the images.
        """
        return {}

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        """The values to maximize.

        Args:
            logits: `(batch, classes)`.
            labels: The true classes `(batch,)`; in a targeted attack, which
                minimizes, the classes to reach.
            reference: What `reference` returned.

        Returns:
            `(batch,)`.
        """
        raise not_defined(self, "call", "it returns the values to maximize")

    def value_and_gradient(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values, their gradient by the images, and the logits.

        Args:
            victim: A classifier view.
            x: Images `(batch, height, width, channels)`.
            labels: Classes `(batch,)`.
            reference: What `reference` returned.

        Returns:
            Values `(batch,)`, a gradient of the shape of `x`, and logits
            `(batch, classes)`.
        """
        return over_draws(
            victim,
            lambda view: image_gradient(
                view.frozen_logits,
                lambda logits: self.call(logits, labels, reference),
                x,
            ),
        )

    #: Forward and backward passes of one `value_and_gradient`, in one draw.
    passes: tuple[int, int] = (1, 1)

    def passes_on(self, victim: ClassifierView) -> tuple[int, int]:
        """Counts the passes of one `value_and_gradient` on a victim."""
        forward, backward = self.passes
        return victim.draws * forward, victim.draws * backward

    def of_logits(self, user: Any) -> Any:
        """This objective, if it is a function of the logits alone.

        Args:
            user: Who needs one, for the error.

        Raises:
            ValueError: If it runs the model in its own way.
        """
        if type(self).value_and_gradient is Objective.value_and_gradient:
            return self
        raise ValueError(
            f"{user} needs an objective that is a function of the logits, such "
            f"as 'margin' or 'cross_entropy'. Received: {type(self).__name__}, "
            "which runs the model in its own way."
        )

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@register
class ImageObjective(Objective):
    """Base class: a function of the images and of the whole model.

    A subclass overrides `call_on_images` instead of `call`.

    Example:

    ```python
    # The margin, less the roughness of the images.
    @keras.saving.register_keras_serializable(package="examples")
    class SmoothMargin(kad.attacks.objectives.ImageObjective):
        def call_on_images(self, victim, x, labels, reference):
            logits = victim.frozen_logits(x)
            steps = keras.ops.square(x[:, 1:] - x[:, :-1])
            rough = keras.ops.mean(steps, axis=(1, 2, 3))
            values = kad.attacks.objectives.margin(logits, labels) - rough
            return values, logits


    x_adv = kad.attacks.PGD(objective=SmoothMargin())(model, x, y)
    ```
    """

    def call_on_images(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> Any:
        """The values to maximize, and the logits.

        Args:
            victim: A classifier view.
            x: Images `(batch, height, width, channels)`.
            labels: Classes `(batch,)`.
            reference: What `reference` returned.

        Returns:
            `(batch,)` and `(batch, classes)`.
        """
        raise not_defined(
            self, "call_on_images", "it returns the values and the logits"
        )

    def value_and_gradient(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        def sample(view):
            def function(x):
                values, logits = self.call_on_images(view, x, labels, reference)
                # Both in one tensor: the model runs once.
                return ops.concatenate([values[:, None], logits], axis=-1)

            outputs, pullback = vjp(function, x)
            outputs = ops.stop_gradient(outputs)
            values, logits = outputs[:, :1], outputs[:, 1:]
            # Weights of the outputs: the gradient is that of the values alone.
            first = [ops.ones_like(values), ops.zeros_like(logits)]
            gradient = pullback(ops.concatenate(first, axis=-1))
            return values[:, 0], gradient, logits

        return over_draws(victim, sample)


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
