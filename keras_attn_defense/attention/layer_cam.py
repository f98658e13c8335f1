"""Layer-CAM attention maps."""

from keras import ops

from .._registration import register
from .._typing import Tensor
from .feature_method import FeatureMethod


@register
class LayerCAM(FeatureMethod):
    """Layer-CAM: features times the positive part of their gradients.

    `G_ij = sum_k relu(g_ijk) A_ijk` with `g = d z_y / d A`. It has little
    noise in early layers too; a list of layers merges their finer maps with
    the last one.

    Args:
        layer: The layer whose output is weighted; see `FeatureMethod`.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        grid: The map that the tokens of a vision transformer form.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    layer_cam = kad.attention.LayerCAM(["conv_1", "conv_2"], model=model)
    maps = layer_cam(x, y)
    ```

    Reference:
        [Jiang et al., 2021](https://doi.org/10.1109/TIP.2021.3089943),
        equations 5 to 7.
    """

    def channel_weights(self, features: Tensor, gradients: Tensor) -> Tensor:
        return ops.relu(gradients)
