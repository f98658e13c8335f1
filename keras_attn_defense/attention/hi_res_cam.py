"""HiRes-CAM attention maps."""

from .._registration import register
from .._typing import Tensor
from .feature_method import FeatureMethod


@register
class HiResCAM(FeatureMethod):
    """HiRes-CAM: features times gradients, position by position.

    `G_ij = sum_k g_ijk A_ijk` with `g = d z_y / d A`. After a head that is
    linear in the features it shows exactly what each position adds to the
    logit.

    Args:
        layer: The layer whose output is weighted; see `FeatureMethod`.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        score: What the map explains.
        grid: The map that the tokens of a vision transformer form.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.HiResCAM(model=model)(x, y)
    ```

    Reference:
        [Draelos and Carin, 2020](https://arxiv.org/abs/2011.08891).
    """

    def channel_weights(self, features: Tensor, gradients: Tensor) -> Tensor:
        return gradients
