"""The rectification loss: no evidence outside of the attention area."""

from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor
from .robust_loss import squared_distance

_TINY = 1e-7


@register
class RectificationLoss(keras.losses.Loss):
    """Negative distance of the predictions on an image and a masked image.

    `L_r = -distance(f(x), f(x_m))`, where `x_m` is the image with its
    attention area hidden. Minimizing it leaves no evidence outside the area:
    the attention becomes complete. It is never positive. Gradients flow
    through both predictions.

    Args:
        distance: `"mean_squared_error"`, the mean over classes of
            `(p - p_m)^2` (the authors' code); `"squared_error"`, their sum
            (the paper's squared distance, which can outweigh the
            classification in a network that learns from scratch); `"l1"`,
            the sum of `|p - p_m|`; `"kl"`, `KL(p || p_m)`;
            `"jensen_shannon"`, in nats, at most `log(2)`; `"cross_entropy"`,
            `-sum p log(p_m)`.
        from_logits: Whether inputs are logits; otherwise they are
            probabilities.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: The prediction on the whole image, `(batch, classes)`.
        y_pred: The prediction on the masked image, of the same shape.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    masked = kad.attention.AttentionMask()(x, maps)
    loss = kad.losses.RectificationLoss()
    value = loss(model(x), model(masked))  # at most zero
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843),
        the rectification loss ("mask method" in the preprint,
        arXiv:1811.09831).
    """

    def __init__(
        self,
        distance: str = "mean_squared_error",
        from_logits: bool = True,
        reduction: str = "sum_over_batch_size",
        name: str = "rectification_loss",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if distance not in _DISTANCES:
            raise ValueError(
                f"`distance` should be one of {list(_DISTANCES)}. Received: "
                f"distance={distance!r}"
            )
        self.distance = distance
        self.from_logits = bool(from_logits)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        # All distances take log-probabilities, which are stable for logits.
        if self.from_logits:
            whole = ops.log_softmax(y_true, axis=-1)
            masked = ops.log_softmax(y_pred, axis=-1)
        else:
            whole = ops.log(ops.maximum(y_true, _TINY))
            masked = ops.log(ops.maximum(y_pred, _TINY))
        return -_DISTANCES[self.distance](whole, masked)

    def get_config(self) -> dict[str, Any]:
        return {
            "distance": self.distance,
            "from_logits": self.from_logits,
            "reduction": self.reduction,
            "name": self.name,
        }


def _squared_error(log_p, log_q):
    return squared_distance(ops.exp(log_p), ops.exp(log_q))


def _mean_squared_error(log_p, log_q):
    return ops.mean(ops.square(ops.exp(log_p) - ops.exp(log_q)), axis=-1)


def _l1(log_p, log_q):
    difference = ops.exp(log_p) - ops.exp(log_q)
    # The slope at zero is zero on every backend, unlike that of `abs`.
    sign = ops.stop_gradient(ops.sign(difference))
    return ops.sum(difference * sign, axis=-1)


def _kl(log_p, log_q):
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def _jensen_shannon(log_p, log_q):
    # Not `logaddexp`: its gradient is wrong on TensorFlow where both are equal.
    middle = (ops.exp(log_p) + ops.exp(log_q)) / 2
    log_middle = ops.log(ops.maximum(middle, 1e-30))
    return (_kl(log_p, log_middle) + _kl(log_q, log_middle)) / 2


def _cross_entropy(log_p, log_q):
    return -ops.sum(ops.exp(log_p) * log_q, axis=-1)


_DISTANCES = {
    "squared_error": _squared_error,
    "mean_squared_error": _mean_squared_error,
    "l1": _l1,
    "kl": _kl,
    "jensen_shannon": _jensen_shannon,
    "cross_entropy": _cross_entropy,
}
