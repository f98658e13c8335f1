"""The preservation loss: an attack should not move the attention."""

from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Tensor


@register
class PreservationLoss(keras.losses.Loss):
    """Distance between the maps of an image and of its adversarial image.

    `L_p = sum_ij (g(x)_ij - g(x_adv)_ij)^2`, both maps taken for the true
    class. Its gradient is a gradient of a gradient: it reaches the classifier
    head through the weights of the map.

    Args:
        distance: `"squared_error"`, the sum over positions of the squared
            difference; `"l1"`, the sum of its absolute value, which the
            authors tried too; `"mean_absolute_error"`, the mean of its
            absolute value; or `"cosine"`, one minus the cosine of both maps,
            zero where one of them is zero.
        reduction: As in `keras.losses.Loss`. The authors' code sums over the
            batch: `"sum"`.
        name: Name of the loss.
        stop_gradient: `"clean"` takes the clean maps as constants; None lets
            gradients flow through both.

    Call arguments:
        y_true: Maps of the clean images, `(batch, height, width)`, or with
            channels behind.
        y_pred: Maps of the adversarial images, of the same shape.

    Example:

    ```python
    grad_cam = kad.attention.GradCAM(model=model)
    x_adv = kad.attacks.PGD()(model, x, y)
    loss = kad.losses.PreservationLoss()
    value = loss(grad_cam(x, y), grad_cam(x_adv, y))  # between 0 and 2
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843),
        the preservation loss ("contrast method" in the preprint,
        arXiv:1811.09831).
    """

    def __init__(
        self,
        distance: str = "squared_error",
        reduction: str = "sum_over_batch_size",
        name: str = "preservation_loss",
        *,
        stop_gradient: str | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if distance not in DISTANCES:
            raise ValueError(
                f"`distance` should be one of {sorted(DISTANCES)}. Received: "
                f"distance={distance!r}"
            )
        if stop_gradient not in ("clean", None):
            raise ValueError(
                "`stop_gradient` should be 'clean' or None. Received: "
                f"stop_gradient={stop_gradient!r}"
            )
        self.distance = distance
        self.stop_gradient = stop_gradient

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.stop_gradient == "clean":
            y_true = ops.stop_gradient(y_true)
        return DISTANCES[self.distance](y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {
            "distance": self.distance,
            "stop_gradient": self.stop_gradient,
            "reduction": self.reduction,
            "name": self.name,
        }


def _squared_error(first, second):
    return ops.sum(ops.square(first - second), axis=_values(first))


def _l1(first, second):
    return ops.sum(_absolute(first - second), axis=_values(first))


def _mean_absolute_error(first, second):
    return ops.mean(_absolute(first - second), axis=_values(first))


def _cosine(first, second):
    # The square root has no derivative at zero, and gradients can be tiny.
    product = ops.sum(
        _direction(first) * _direction(second), axis=_values(first)
    )
    alive = ops.logical_and(_is_some(first), _is_some(second))
    return ops.where(alive, 1.0 - product, 0.0)


def _direction(maps):
    axes = _values(maps)
    largest = ops.max(ops.abs(maps), axis=axes, keepdims=True)
    maps = maps / ops.maximum(ops.stop_gradient(largest), 1e-30)
    squares = ops.sum(ops.square(maps), axis=axes, keepdims=True)
    return maps / ops.sqrt(ops.maximum(squares, 1e-30))


def _is_some(maps):
    return ops.max(ops.abs(maps), axis=_values(maps)) > 0.0


def _absolute(difference):
    # The slope at zero is zero on every backend, unlike that of `abs`.
    return difference * ops.stop_gradient(ops.sign(difference))


def _values(maps):
    return tuple(range(1, len(maps.shape)))


DISTANCES = {
    "squared_error": _squared_error,
    "l1": _l1,
    "mean_absolute_error": _mean_absolute_error,
    "cosine": _cosine,
}
