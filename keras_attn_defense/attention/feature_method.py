"""The base class of maps made from the features of layers."""

import warnings
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
from keras import ops

from .._arguments import check_counts
from .._arguments import not_defined
from .._backend import vjp_inside
from .._registration import register
from .._typing import Model
from .._typing import Tensor
from ..classifier import Classifier
from ..classifier import full_precision
from .attention_method import AttentionMethod
from .class_choice import check_score
from .class_choice import chosen_classes
from .class_choice import score_gradients
from .normalization import maximum
from .resizing import resized
from .resizing import upsampled


class ClassifierPass(NamedTuple):
    """The results of running a classifier once.

    Args:
        logits: `(batch, classes)`.
        predictions: The output of the classifier's model.
        classes: The classes to explain `(batch,)`.
        features: For each layer, `(batch, h, w, channels)`, float32.
        gradients: For each layer, the gradient of the class's logit with
            respect to its features; None if they are not used.
    """

    logits: Tensor
    predictions: Tensor
    classes: Tensor
    features: list[Tensor]
    gradients: list[Tensor | None]


@register
class FeatureMethod(AttentionMethod):
    """Base class of class activation maps, made from the features of layers.

    A subclass defines `channel_weights(features, gradients)`, or `raw_map` if
    its map is not a weighted sum of the features. Maps are differentiable to
    second order: through the features and through the weights.

    Args:
        layer: The layer whose output is weighted: a layer of the model, its
            name or its path. None means the map that feeds the global pooling
            or the flattening; in a vision transformer the tokens that enter
            the last self-attention. With a list, the maps of several layers
            are merged: each is divided by its maximum, after ReLU (unless
            they are `"signed"`), and they are averaged at the size of the
            first that runs.
        normalization: As in `AttentionMethod`.
        upsample: Whether maps are brought to the size of the images
            (bilinear), or stay at the size of the features.
        score: What the map explains: the `"logit"` of the class, its
            `"margin"` over the strongest other class, the `"loss"`, the
            cross-entropy of the class, or `"random"`: in training, a
            combination of all logits that is drawn for each image and that
            the compared maps share, so that in time the maps of all classes
            are compared; elsewhere the logit.
        grid: `(height, width)` of the map that the tokens of a vision
            transformer form, class and register tokens left out. None means
            square patches: the proportions of the image.
        model: The classifier to explain, when the method is used as a layer
            on images. Not needed inside `AttentionDefendedModel`.
        name: Name of the layer.

    Example:

    ```python
    # The places where features are active, for any class.
    @keras.saving.register_keras_serializable(package="examples")
    class MeanActivation(kad.attention.FeatureMethod):
        uses_gradients = False

        def channel_weights(self, features, gradients):
            return keras.ops.ones_like(features)


    maps = MeanActivation(model=model)(x)
    ```
    """

    #: Whether the map depends on gradients.
    uses_gradients = True

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
        grid: tuple[int, int] | None = None,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(normalization, model=model, name=name)
        self.upsample = bool(upsample)
        self.score = check_score(score)
        # Only names are kept: layers belong to the model, and Keras would
        # track them as parts of this layer.
        self.layer: Any
        if isinstance(layer, (list, tuple)) and layer:
            self.layer = [_identifier(each) for each in layer]
        else:
            self.layer = layer if layer is None else _identifier(layer)
        self.grid = None
        if grid is not None:
            sides = ("height", "width")
            self.grid = check_counts("grid", grid, sides, lowest=2)

    def channel_weights(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Computes the weights of the features.

        Args:
            features: `(batch, h, w, channels)`, float32.
            gradients: The gradient of the class's logit with respect to
                `features`, of the same shape.

        Returns:
            Weights that broadcast to the shape of `features`.
        """
        raise not_defined(
            self, "channel_weights", "it weights the channels of the features"
        )

    def raw_map(self, features: Tensor, gradients: Tensor) -> Tensor:
        """Computes the map `(batch, h, w)` of one layer, not yet normalized."""
        weights = self.channel_weights(features, gradients)
        return ops.sum(weights * features, axis=-1)

    def raw_maps(
        self, classifier: Classifier, images: Tensor, reading: ClassifierPass
    ) -> list[Tensor]:
        """Computes the maps of all layers, in the order in which they run."""
        pairs = zip(reading.features, reading.gradients, strict=True)
        return [self.raw_map(*pair) for pair in pairs]

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        reading = self.read(classifier, images, labels, training)
        maps = self.raw_maps(classifier, images, reading)
        maps = self.normalize(_merged(maps, self.normalization))
        if self.upsample:
            maps = upsampled(maps, images)
        return reading.logits, maps, reading.predictions

    def read(
        self,
        classifier: Classifier,
        images: Tensor,
        labels: Tensor | str | None,
        training: bool,
    ) -> ClassifierPass:
        """Runs the classifier once, for its features and their gradients."""
        layers = classifier.feature_layers(self.layer, self.grid)

        def forward(tap):
            return classifier(images, training=training, layers=layers, tap=tap)

        def as_maps(tensors):
            pairs = zip(tensors, layers, strict=True)
            return [classifier.as_map(*pair, self.grid) for pair in pairs]

        # The model runs as a whole; `vjp_inside` records the outputs of the
        # layers on the way and differentiates with respect to them.
        (logits, predictions), features, pullback = vjp_inside(
            forward, classifier.variables, self.add_loss
        )
        classes = chosen_classes(labels, logits)
        gradients = [None] * len(layers)
        if self.uses_gradients:
            gradients = as_maps(
                score_gradients(pullback, logits, classes, self.score)
            )
        features = [full_precision(tensor) for tensor in as_maps(features)]
        return ClassifierPass(logits, predictions, classes, features, gradients)

    def check_use(self, classifier: Any) -> None:
        super().check_use(classifier)
        classifier.feature_layers(self.layer, self.grid)

    def check(self, classifier: Classifier) -> None:
        """Checks that a loss can use the maps, and warns of tiny ones."""
        super().check(classifier)
        for layer in classifier.feature_layers(self.layer, self.grid):
            sides = classifier.feature_size(layer, self.grid)
            if any(isinstance(side, int) and side < 3 for side in sides):
                warnings.warn(
                    f"The attention map of layer '{layer.name}' has only "
                    f"{sides[0]}x{sides[1]} positions for images of this size. "
                    "An earlier layer gives a finer map: "
                    f"`{type(self).__name__}(layer=...)`.",
                    stacklevel=3,
                )

    def get_config(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            **super().get_config(),
            "upsample": self.upsample,
            "score": self.score,
            "grid": self.grid,
        }


def _merged(maps, normalization):
    """Averages the maps of layers, at the size of the first."""
    if len(maps) == 1:
        return maps[0]
    if normalization != "signed":
        # Layers have values of different sizes: each map is divided by its
        # maximum, so that none outweighs the others.
        maps = [maximum(each) for each in maps]
    size = ops.shape(maps[0])[1:]
    return sum(resized(each, size) for each in maps) / len(maps)


def _identifier(layer):
    """Returns the path or the name of a layer."""
    if isinstance(layer, keras.layers.Layer):
        return getattr(layer, "path", None) or layer.name
    if isinstance(layer, str):
        return layer
    raise ValueError(
        "`layer` should be a layer, its name, its path, a list of these, or "
        f"None. Received: layer={layer!r}"
    )
