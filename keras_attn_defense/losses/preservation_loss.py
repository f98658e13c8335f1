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
            authors tried too; or `"mean_absolute_error"`, the mean of its
            absolute value.
        reduction: As in `keras.losses.Loss`. The authors' code sums over the
            batch: `"sum"`.
        name: Name of the loss.

    Call arguments:
        y_true: Maps of the clean images, `(batch, height, width)`.
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
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if distance not in DISTANCES:
            raise ValueError(
                f"`distance` should be one of {sorted(DISTANCES)}. Received: "
                f"distance={distance!r}"
            )
        self.distance = distance

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return DISTANCES[self.distance](y_true - y_pred)

    def get_config(self) -> dict[str, Any]:
        return {
            "distance": self.distance,
            "reduction": self.reduction,
            "name": self.name,
        }


def _squared_error(difference):
    return ops.sum(ops.square(difference), axis=(1, 2))


def _l1(difference):
    return ops.sum(_absolute(difference), axis=(1, 2))


def _mean_absolute_error(difference):
    return ops.mean(_absolute(difference), axis=(1, 2))


def _absolute(difference):
    # The slope at zero is zero on every backend, unlike that of `abs`.
    return difference * ops.stop_gradient(ops.sign(difference))


DISTANCES = {
    "squared_error": _squared_error,
    "l1": _l1,
    "mean_absolute_error": _mean_absolute_error,
}
