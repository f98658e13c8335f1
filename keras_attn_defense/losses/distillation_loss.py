"""Base class of losses that learn robustness from a teacher."""

from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor
from ..classifier import Classifier
from .robust_loss import RobustLoss


@register
class DistillationLoss(RobustLoss):
    """Base class: a loss that compares with a teacher's clean logits.

    Its methods receive `(clean, adversarial, teacher)` logits. The teacher
    runs in inference mode, and none of its weights is trained or counted as
    the model's. It is not saved with the model either: after loading, set the
    loss again, as in `model.robust_loss = kad.losses.RSLAD(teacher)`.

    Args:
        teacher: A built Keras classifier of the same images and classes, best
            a robust one. With None the loss can be loaded, not trained with.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Example:

    ```python
    @keras.saving.register_keras_serializable(package="examples")
    class Imitation(kad.losses.DistillationLoss):
        def call(self, labels, logits):
            clean, adversarial, teacher = logits
            return keras.ops.mean((adversarial - teacher) ** 2, axis=-1)


    student = keras.models.clone_model(model)
    defended = kad.AttentionDefendedModel(student, robust_loss=Imitation(model))
    ```
    """

    #: Whether `call` reads the teacher's logits of all its images, in their
    #: order, and not of the clean ones alone.
    teaches_all = False

    def __init__(
        self,
        teacher: keras.Model | None = None,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name)
        self.teacher = teacher
        self._classifier = None if teacher is None else Classifier(teacher)

    def check(self, classifier: Classifier) -> None:
        """Checks that the teacher, if there is one, fits a student.

        Args:
            classifier: The classifier of the student.

        Raises:
            ValueError: If it takes other images, or has other classes.
        """
        teacher = self._classifier
        if teacher is None:
            return
        for name in ("input_shape", "num_classes", "value_range"):
            own, its = getattr(classifier, name), getattr(teacher, name)
            if own != its:
                raise ValueError(
                    f"The teacher '{teacher.model.name}' has {name}={its}, the "
                    f"model {own}. Both have to take the same images and tell "
                    "the same classes apart."
                )

    def teacher_logits(self, images: Tensor) -> Tensor:
        """Computes the teacher's logits, without gradients.

        Args:
            images: `(batch, height, width, channels)`.

        Returns:
            `(batch, classes)`.

        Raises:
            ValueError: If the loss has no teacher.
        """
        return ops.stop_gradient(self.required_teacher().logits(images))

    def weights(self) -> list[Any]:
        """Returns the teacher's present weights, which JAX compiles in."""
        if self._classifier is None:
            return []
        return [variable.value for variable in self._classifier.variables]

    def required_teacher(self) -> Classifier:
        """Returns the teacher as a classifier.

        Raises:
            ValueError: If the loss has no teacher.
        """
        if self._classifier is None:
            raise ValueError(
                f"{type(self).__name__} has no teacher: it is not saved with "
                "the model. Set the loss again: `model.robust_loss = "
                f"kad.losses.{type(self).__name__}(teacher)`."
            )
        return self._classifier
