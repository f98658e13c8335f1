"""Grad-CAM attention maps."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from .._registration import register
from .._typing import Model
from .._typing import Tensor
from .feature_method import FeatureMethod


@register
class GradCAM(FeatureMethod):
    """Grad-CAM, differentiable to second order.

    `w_k = mean_ij d z_y / d A_ijk` and `G = sum_k w_k A_k` (the published map
    is `relu(G)`), where `A` are the activations of `layer` and `z_y` the logit
    of class `y`.

    Args:
        layer: The layer whose output is weighted: a layer of the model, its
            name or its path. None means the map that feeds the global pooling
            or the flattening; in a vision transformer the tokens that enter
            the last self-attention. The maps of a list are merged; see
            `FeatureMethod`.
        normalization: ReLU followed by division by the map's `"l2"` length,
            its `"max"` (used by the authors of the attention defense for
            attacks and figures) or its `"sum"`; None for ReLU alone; or
            `"softmax"` over all positions without ReLU (used by them in
            training, as it keeps a gradient everywhere); or `"signed"`, the map
            as it is: behind a global pooling, and without `scale_gradients`,
            it sums to the logit less its bias.
        upsample: Whether maps are brought to the size of the images
            (bilinear), or stay at the size of the features.
        score: What the map explains; see `FeatureMethod`.
        scale_gradients: Whether gradients are divided by their root mean
            square (plus 1e-5) before they are averaged, as in the authors'
            code, but for each image alone (theirs runs over the batch).
            Without it the softmax of small values is close to uniform.
        grid: `(height, width)` of the map that the tokens of a vision
            transformer form; see `FeatureMethod`.
        model: The classifier to explain, when the method is used as a layer
            on images. Not needed inside `AttentionDefendedModel`.
        name: Name of the layer.

    Example:

    ```python
    grad_cam = kad.attention.GradCAM(model=model)
    maps = grad_cam(x, y)  # (8, 5, 5): the size of the features

    # Inside a model of your own:
    inputs = keras.Input((16, 16, 3))
    maps = kad.attention.GradCAM("conv_1", "l2", model=model)(inputs)
    maps_model = keras.Model(inputs, maps)
    ```

    Reference:
        [Selvaraju et al., 2017](https://arxiv.org/abs/1610.02391), equations
        1 and 2; for the softmax, Attention, Please! Adversarial Defense via
        Activation Rectification and Preservation,
        [Wu et al., 2023](https://doi.org/10.1145/3572843).
    """

    def __init__(
        self,
        layer: keras.layers.Layer
        | str
        | Sequence[keras.layers.Layer | str]
        | None = None,
        normalization: str | None = "l2",
        upsample: bool = False,
        *,
        score: str = "logit",
        scale_gradients: bool = True,
        grid: tuple[int, int] | None = None,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            layer,
            normalization,
            upsample,
            score=score,
            grid=grid,
            model=model,
            name=name,
        )
        self.scale_gradients = bool(scale_gradients)

    def channel_weights(self, features: Tensor, gradients: Tensor) -> Tensor:
        if self.scale_gradients:
            squares = ops.mean(
                ops.square(gradients), axis=(1, 2, 3), keepdims=True
            )
            # The square root has no derivative at zero.
            size = ops.sqrt(ops.maximum(squares, 1e-30))
            gradients = gradients / (size + 1e-5)
        return ops.mean(gradients, axis=(1, 2), keepdims=True)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale_gradients": self.scale_gradients,
        }
