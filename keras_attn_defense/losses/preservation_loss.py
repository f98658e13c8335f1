"""Keep the attention map of the adversarial image equal to the clean one."""

import keras
from keras import ops

from .._registration import register


@register
class PreservationLoss(keras.losses.Loss):
    """Distance of two attention maps: of an image and of its attack.

    `L_p = sum_ij (g(x)_ij - g(x_adv)_ij)^2`, both maps taken for the true
    class. Its gradient is a gradient of a gradient: it reaches the classifier
    head through the weights of the map.

    Args:
        distance: `"squared_error"`, the sum over positions of the squared
            difference; or `"l1"`, the sum of its absolute value, which the
            authors tried too.
        reduction: As in `keras.losses.Loss`. The authors' code sums over the
            batch: `"sum"`.
        name: Name of the loss.

    Call arguments:
        y_true: Maps of the clean images, `(batch, height, width)`.
        y_pred: Maps of the adversarial images, of the same shape.

    Example:

    >>> loss = PreservationLoss()
    >>> loss(clean_maps, adversarial_maps)

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843),
        the preservation loss ("contrast method" in the preprint,
        arXiv:1811.09831).
    """

    def __init__(
        self,
        distance="squared_error",
        reduction="sum_over_batch_size",
        name="preservation_loss",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if distance not in ("squared_error", "l1"):
            raise ValueError(
                "`distance` should be 'squared_error' or 'l1'. Received: "
                f"distance={distance!r}"
            )
        self.distance = distance

    def call(self, y_true, y_pred):
        difference = y_true - y_pred
        if self.distance == "l1":
            # The slope at zero is zero on every backend, unlike that of `abs`.
            difference = difference * ops.stop_gradient(ops.sign(difference))
            return ops.sum(difference, axis=(1, 2))
        return ops.sum(ops.square(difference), axis=(1, 2))

    def get_config(self):
        return {
            "distance": self.distance,
            "reduction": self.reduction,
            "name": self.name,
        }
