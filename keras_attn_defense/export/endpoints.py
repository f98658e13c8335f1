"""The functions that a server offers."""

import keras
from keras import ops

from .._backend import ensure_shape
from ..classifier import Classifier


class Endpoints:
    """Functions of images, by the names that clients call them by.

    Args:
        model: The classifier.
        attention: The `AttentionMethod` of `explain`, or None without it.
        preprocess: A layer between the clients' images and the model, or None.
        spec: The `keras.InputSpec` of the clients' images.
    """

    def __init__(self, model, attention, preprocess, spec):
        self.model = model
        self.attention = attention
        self.preprocess = preprocess
        self.spec = spec
        self._classifier = Classifier(model)

    def signatures(self):
        """Functions and the specifications of their arguments, by name."""
        found = {"serving_default": (self.serve, [self.spec])}
        if self.attention is not None:
            classes = keras.InputSpec(shape=(None,), dtype="int32")
            found["explain"] = (self.explain, [self.spec])
            found["explain_class"] = (self.explain_class, [self.spec, classes])
        return found

    def serve(self, images):
        """What the model predicts."""
        images = self._prepared(images)
        return _answer(predictions=self.model(images, training=False))

    def explain(self, images):
        """Predictions, and where the model looks for the predicted class.

        Of an image that is not finite the map is NaN, the class -1.
        """
        known = _is_finite(images)
        logits, answer = self._explained(images, known)
        classes = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return {**answer, "explained_class": ops.where(known, classes, -1)}

    def explain_class(self, images, classes):
        """Predictions, and where the model looks for given classes.

        The map is NaN where the image is not finite, or the model does not
        have the class.
        """
        known = _is_finite(images)
        known &= (classes >= 0) & (classes < self._classifier.num_classes)
        return self._explained(images, known, classes)[1]

    def _explained(self, images, known, classes=None):
        images = self._prepared(images)
        logits, maps, predictions = self.attention.explain(
            self._classifier, images, classes
        )
        # No map at all: zeros or ones would look like one.
        maps = ops.where(known[:, None, None], maps, float("nan"))
        return logits, _answer(predictions=predictions, attention_map=maps)

    def _prepared(self, images):
        images = ensure_shape(images, self.spec.shape)
        return images if self.preprocess is None else self.preprocess(images)


def _is_finite(images):
    """For each image, whether all of its values are finite."""
    finite = ops.isfinite(ops.cast(images, "float32"))
    return ops.all(finite, axis=(1, 2, 3))


def _answer(**tensors):
    """Float32: JSON and many clients know no half precision."""
    return {name: ops.cast(each, "float32") for name, each in tensors.items()}
