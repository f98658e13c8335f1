"""Grad-CAM++ attention maps."""

from keras import ops

from .._registration import register
from .._typing import Tensor
from .feature_method import FeatureMethod


@register
class GradCAMPlusPlus(FeatureMethod):
    """Grad-CAM++, which shows several objects of one class.

    `w_k = sum_ij a_ijk relu(g_ijk)` with `a_ijk = 1 / (2 + g_ijk sum_ab A_abk)`
    where `g = d z_y / d A`: the gradients of the logit, averaged with more
    weight where the features are sparse. Of features that may be negative the
    published denominator can vanish; sums below zero count as zero here.

    Args:
        layer: The layer whose output is weighted; see `FeatureMethod`.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        grid: The map that the tokens of a vision transformer form.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.GradCAMPlusPlus(model=model)(x, y)
    ```

    Reference:
        [Chattopadhyay et al., 2018](https://arxiv.org/abs/1710.11063),
        equations 5 and 19.
    """

    def channel_weights(self, features: Tensor, gradients: Tensor) -> Tensor:
        # The published fraction of squares and cubes of the gradients, reduced
        # by the squares.
        rising = ops.relu(gradients)
        total = ops.relu(ops.sum(features, axis=(1, 2), keepdims=True))
        weights = rising / (2.0 + rising * total)
        return ops.sum(weights, axis=(1, 2), keepdims=True)
