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
        """Predictions, and where the model looks for the predicted class."""
        logits, answer = self._explained(images)
        classes = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return {**answer, "explained_class": classes}

    def explain_class(self, images, classes):
        """Predictions, and where the model looks for given classes.

        The map of a class that the model does not have is all zero.
        """
        return self._explained(images, classes)[1]

    def _explained(self, images, classes=None):
        images = self._prepared(images)
        logits, maps, predictions = self.attention.explain(
            self._classifier, images, classes
        )
        return logits, _answer(predictions=predictions, attention_map=maps)

    def _prepared(self, images):
        images = ensure_shape(images, self.spec.shape)
        return images if self.preprocess is None else self.preprocess(images)


def _answer(**tensors):
    """Float32: JSON and many clients know no half precision."""
    return {name: ops.cast(each, "float32") for name, each in tensors.items()}
