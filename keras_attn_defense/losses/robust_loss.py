"""Base class of losses of clean and adversarial predictions."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .._arguments import not_defined
from .._registration import register
from .._typing import Tensor


@register
class RobustLoss(keras.losses.Loss):
    """Base class: a loss of the logits of an image and of its attacked image.

    A subclass overrides `call` and, where its attack maximizes something else
    than the cross-entropy of the labels, `attacked`.

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Labels `(batch, classes)`, one-hot or soft.
        y_pred: The tuple `(clean, adversarial)` of logits
            `(batch, classes)`.

    Example:

    ```python
    # Madry's loss, less sure of itself.
    @keras.saving.register_keras_serializable(package="examples")
    class Humble(kad.losses.RobustLoss):
        def call(self, labels, logits):
            clean, adversarial = logits
            return keras.losses.categorical_crossentropy(
                labels, adversarial, from_logits=True, label_smoothing=0.2
            )


    defended = kad.AttentionDefendedModel(model, robust_loss=Humble())
    ```
    """

    #: Whether `call` reads the clean logits. If neither it nor an attention
    #: loss needs them, training runs the model on adversarial images alone.
    reads_clean = True

    #: Whether `attacked` reads the clean logits, for which the attack runs the
    #: model once more.
    compares_clean = False

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        """Computes what training minimizes.

        Args:
            labels: Labels `(batch, classes)`, one-hot or soft.
            logits: `(clean, adversarial)`, each `(batch, classes)`, then those
                of `neighbors`, then those of a teacher (`DistillationLoss`).
                Unless `reads_clean`, both may be the adversarial ones.

        Returns:
            `(batch,)`.
        """
        raise not_defined(self, "call", "it returns the values to minimize")

    def neighbors(
        self,
        images: Tensor,
        adversarial: Tensor,
        draw: Callable[[], Tensor],
    ) -> tuple[Tensor, ...]:
        """Returns further images whose logits `call` reads.

        Args:
            images: Clean images `(batch, height, width, channels)`.
            adversarial: Their adversarial images.
            draw: Returns random points of the attack's balls around the
                images.

        Returns:
            A tuple of batches as large as that of the images. Their logits
            follow the adversarial ones.
        """
        return ()

    def attacked(self, labels: Tensor, logits: tuple[Tensor, ...]) -> Tensor:
        """Computes what the attack maximizes by the adversarial logits.

        Args:
            labels: As in `call`.
            logits: As in `call`, without `neighbors`; the clean logits are
                None unless `compares_clean`.

        Returns:
            `(batch,)`.
        """
        return cross_entropy(labels, logits[1])

    def get_config(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "name": self.name}


def cross_entropy(
    labels: Tensor, logits: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Computes the cross-entropy of each sample, smoothed as Keras does it.

    Args:
        labels: Labels `(batch, classes)`, one-hot or soft.
        logits: `(batch, classes)`.
        label_smoothing: Share of the label that is spread over all classes.

    Returns:
        `(batch,)`.
    """
    if label_smoothing:
        uniform = label_smoothing / logits.shape[-1]
        labels = labels * (1.0 - label_smoothing) + uniform
    return -ops.sum(labels * ops.log_softmax(logits, axis=-1), axis=-1)


def kl_divergence(logits: Tensor, other: Tensor) -> Tensor:
    """Computes `KL(softmax(logits) || softmax(other))` of each sample.

    Args:
        logits: `(batch, classes)`.
        other: `(batch, classes)`.

    Returns:
        `(batch,)`, in nats.
    """
    first = ops.log_softmax(logits, axis=-1)
    second = ops.log_softmax(other, axis=-1)
    return ops.sum(ops.exp(first) * (first - second), axis=-1)


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Sums the squared differences of two rows of each sample."""
    return ops.sum(ops.square(first - second), axis=-1)
