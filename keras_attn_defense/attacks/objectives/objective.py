"""The base class of what attacks maximize."""

from typing import Any
from typing import Self

from ..._arguments import not_defined
from ..._registration import register
from ..._typing import Tensor
from ...classifier import ClassifierView
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
        return image_gradient(
            victim.frozen_logits,
            lambda logits: self.call(logits, labels, reference),
            x,
        )

    #: Forward and backward passes of one `value_and_gradient`.
    passes: tuple[int, int] = (1, 1)

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
