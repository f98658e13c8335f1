"""The base class of attention maps."""

import warnings

import keras
from keras import ops

from .._backend import is_traced
from .._backend import vjp_inside
from .._registration import register
from ..classifier import Classifier
from ..classifier import check_labels
from ..classifier import class_indices
from ..classifier import full_precision
from . import normalization as normalizations

# Half-precision gradients of a feature map would lose their small values.
_GRADIENT_SCALE = 2.0**10


@register
class AttentionMethod(keras.layers.Layer):
    """Base class: a map from features and the gradient of a class score.

    A subclass defines `channel_weights(features, gradients)`. The map is
    differentiable to second order: through the features and through the
    weights.

    Args:
        layer: The layer whose output is weighted: a layer of the model, its
            name or its path. None means the map that feeds the global pooling
            or the flattening.
        normalization: `"softmax"` over all positions, or ReLU followed by
            division by the `"max"`, `"sum"` or `"l2"` length of the map, or
            None for ReLU alone.
        upsample: Whether maps are brought to the size of the images
            (bilinear), or stay at the size of the features.
        model: The classifier to explain, when the method is used as a layer
            on images. Not needed inside `AttentionDefendedModel`.
        name: Name of the layer.
    """

    def __init__(
        self,
        layer=None,
        normalization="softmax",
        upsample=True,
        *,
        model=None,
        name=None,
    ):
        super().__init__(name=name, dtype="float32", autocast=False)
        if layer is not None and not isinstance(
            layer, (str, keras.layers.Layer)
        ):
            raise ValueError(
                "`layer` should be a layer, its name, its path, or None. "
                f"Received: layer={layer!r}"
            )
        # Its name: the layer belongs to the model and is not tracked here.
        self.layer = _identifier(layer)
        self.normalization = normalization
        self.normalize = normalizations.get(normalization)
        self.upsample = bool(upsample)
        self.model = model
        self.built = True

    def channel_weights(self, features, gradients):
        """Weights the features by the gradient of the class score.

        Args:
            features: `(batch, h, w, channels)`, float32.
            gradients: The gradient of the class's logit with respect to
                `features`, of the same shape.

        Returns:
            Weights that broadcast to the shape of `features`.
        """
        raise NotImplementedError

    def call(self, images, labels=None):
        """Attention maps of images.

        Args:
            images: `(batch, height, width, channels)`.
            labels: The classes to look for: indices `(batch,)` or one-hot.
                None means the class that the model predicts.

        Returns:
            Maps `(batch, height, width)`, or `(batch, h, w)` of the features
            without `upsample`, float32.
        """
        if self.model is None:
            raise ValueError(
                f"{type(self).__name__} has no model to explain. Pass one: "
                f"{type(self).__name__}(model=model)."
            )
        classifier = Classifier(self.model)
        if labels is not None and not is_traced(labels):
            check_labels(labels, classifier.num_classes, len(images))
        with classifier.untouched():
            return self.explain(classifier, images, labels)[1]

    def explain(self, classifier, images, labels=None, training=False):
        """Runs the classifier once, for its predictions and for the maps.

        Args:
            classifier: A `Classifier`.
            images: `(batch, height, width, channels)`.
            labels: The classes to look for, or None for the predicted ones.
            training: Whether layers run in training mode.

        Returns:
            The logits `(batch, classes)`, the maps, and what the classifier's
            model returns.
        """
        layer = classifier.feature_layer(self.layer)

        def forward(tap):
            return classifier(images, training=training, layer=layer, tap=tap)

        outputs, features, pullback = vjp_inside(
            forward, classifier.variables, self.add_loss
        )
        logits, predictions = outputs
        if labels is None:
            labels = ops.argmax(ops.stop_gradient(logits), axis=-1)
        else:
            labels = class_indices(labels, classifier.num_classes)
        cotangent = ops.one_hot(
            labels, classifier.num_classes, dtype=logits.dtype
        )
        gradients = pullback(cotangent * _GRADIENT_SCALE)
        gradients = full_precision(gradients) / _GRADIENT_SCALE
        maps = self._map(
            full_precision(features),
            gradients,
            classifier.data_format(layer),
            images,
        )
        return logits, maps, predictions

    def check(self, classifier):
        """Checks that the layer feeds the output, and warns of tiny maps."""
        layer = classifier.feature_layer(self.layer)
        classifier.try_out(lambda x: self.explain(classifier, x)[1])
        shape = next(c.shape for c in classifier.calls if c.layer is layer)
        first = classifier.data_format(layer) == "channels_first"
        sides = shape[2:] if first else shape[1:3]
        if any(isinstance(side, int) and side < 3 for side in sides):
            warnings.warn(
                f"The attention map of layer '{layer.name}' has only "
                f"{sides[0]}x{sides[1]} positions for images of this size. An "
                "earlier layer gives a finer map: "
                f"`{type(self).__name__}(layer=...)`.",
                stacklevel=3,
            )

    def _map(self, features, gradients, data_format, images):
        if data_format == "channels_first":
            features = ops.transpose(features, (0, 2, 3, 1))
            gradients = ops.transpose(gradients, (0, 2, 3, 1))
        weights = self.channel_weights(features, gradients)
        maps = self.normalize(ops.sum(weights * features, axis=-1))
        return upsampled(maps, images) if self.upsample else maps

    def get_config(self):
        model = self.model
        if model is not None:
            model = keras.saving.serialize_keras_object(model)
        return {
            "layer": self.layer,
            "normalization": self.normalization,
            "upsample": self.upsample,
            "model": model,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        if config.get("model") is not None:
            model = keras.saving.deserialize_keras_object(config["model"])
            config = {**config, "model": model}
        return cls(**config)


def upsampled(maps, images):
    """Brings maps `(batch, h, w)` to the size of `images`, bilinearly."""
    size = _size(images)
    if tuple(maps.shape[1:]) == tuple(size):
        return maps
    return ops.image.resize(
        maps[..., None],
        size,
        interpolation="bilinear",
        data_format="channels_last",
    )[..., 0]


def _size(images):
    if keras.config.image_data_format() == "channels_first":
        return ops.shape(images)[2:4]
    return ops.shape(images)[1:3]


def _identifier(layer):
    if isinstance(layer, keras.layers.Layer):
        return getattr(layer, "path", None) or layer.name
    return layer
