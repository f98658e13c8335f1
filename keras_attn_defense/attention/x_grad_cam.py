"""XGrad-CAM attention maps."""

from keras import ops

from .._registration import register
from .._typing import Tensor
from .feature_method import FeatureMethod


@register
class XGradCAM(FeatureMethod):
    """XGrad-CAM: gradients averaged with the features as weights.

    `w_k = sum_ij g_ijk A_ijk / sum_ij A_ijk` with `g = d z_y / d A`. A channel
    whose features sum to zero has no weight.

    Args:
        layer: The layer whose output is weighted; see `FeatureMethod`.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        grid: The map that the tokens of a vision transformer form.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.XGradCAM(model=model)(x, y)
    ```

    Reference:
        [Fu et al., 2020](https://arxiv.org/abs/2008.02312), equation 8.
    """

    def channel_weights(self, features: Tensor, gradients: Tensor) -> Tensor:
        def total(values):
            return ops.sum(values, axis=(1, 2), keepdims=True)

        return ops.divide_no_nan(total(gradients * features), total(features))
