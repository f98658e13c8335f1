"""Eigen-CAM attention maps."""

from keras import ops

from .._registration import register
from .._typing import Tensor
from .feature_method import FeatureMethod

# Far more than a map needs: each step reduces the error by the ratio of the
# first two eigenvalues.
_STEPS = 32


@register
class EigenCAM(FeatureMethod):
    """Eigen-CAM: the features along their first principal component.

    It needs no gradient and knows no class: `y` does not change the map.
    The component is found by power iteration, which, unlike a decomposition,
    has a gradient for features of any rank. It starts from the position whose
    features differ most from their mean; the map is positive there.

    Args:
        layer: The layer whose output is used; see `FeatureMethod`.
        normalization: How the values of a map are scaled.
        upsample: Whether maps are brought to the size of the images.
        grid: The map that the tokens of a vision transformer form.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.EigenCAM(model=model)(x)
    ```

    Reference:
        [Muhammad and Yeasin, 2020](https://arxiv.org/abs/2008.00299); the
        features are centered first.
    """

    uses_gradients = False

    def raw_map(self, features: Tensor, gradients: Tensor) -> Tensor:
        centered = features - ops.mean(features, axis=(1, 2), keepdims=True)
        shape = ops.shape(centered)
        # `rows` is `(batch, positions, channels)`, `direction` a column of
        # channels.
        rows = ops.reshape(centered, (shape[0], -1, shape[-1]))
        # Power iteration with the covariance `rows^T rows`.
        direction = _unit(_furthest(rows))
        for _ in range(_STEPS):
            along = ops.matmul(rows, direction)
            direction = _unit(ops.matmul(ops.swapaxes(rows, 1, 2), along))
        return ops.reshape(ops.matmul(rows, direction), shape[:-1])


def _furthest(rows):
    """Returns the longest row of each matrix, as a column."""
    lengths = ops.sum(ops.square(rows), axis=-1)
    index = ops.argmax(lengths, axis=-1)[:, None, None]
    return ops.swapaxes(ops.take_along_axis(rows, index, axis=1), 1, 2)


def _unit(columns):
    """Scales columns to length one."""
    squares = ops.sum(ops.square(columns), axis=1, keepdims=True)
    # The square root has no derivative at zero.
    return columns / ops.sqrt(ops.maximum(squares, 1e-30))
