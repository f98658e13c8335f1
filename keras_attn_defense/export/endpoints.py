"""The functions of a classifier that a server offers, as a SavedModel."""

import keras
from keras import ops

from .._backend import SAVED_MODEL_OPTIONS
from .._backend import ensure_shape
from ..classifier import Classifier


class Endpoints:
    """Functions of images that clients call by name.

    Args:
        model: The classifier.
        attention: The `AttentionMethod` of `explain`, or None without it.
        preprocess: A layer that converts the clients' images to the model's,
            or None.
        spec: The `keras.InputSpec` of the clients' images.
    """

    def __init__(self, model, attention, preprocess, spec):
        self.model = model
        self.attention = attention
        self.preprocess = preprocess
        self.spec = spec
        self._classifier = Classifier(model)

    def signatures(self):
        """Returns functions and the specs of their arguments, by name."""
        signatures = {"serving_default": (self.serve, [self.spec])}
        if self.attention is not None:
            classes = keras.InputSpec(shape=(None,), dtype="int32")
            signatures["explain"] = self.explain, [self.spec]
            signatures["explain_class"] = (
                self.explain_class,
                [self.spec, classes],
            )
        return signatures

    def serve(self, images):
        """Returns the predictions of the model."""
        images = self._prepared(images)
        return _answer(predictions=self.model(images, training=False))

    def explain(self, images):
        """Returns predictions, and attention maps of the predicted classes.

        For an image that is not finite the map is NaN and the class -1.
        """
        known = _is_finite(images)
        logits, answer = self._explained(images, known)
        classes = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return {**answer, "explained_class": ops.where(known, classes, -1)}

    def explain_class(self, images, classes):
        """Returns predictions, and attention maps of the given classes.

        The map is NaN if the image is not finite, or the model does not have
        the class.
        """
        known = _is_finite(images)
        known &= (classes >= 0) & (classes < self._classifier.num_classes)
        return self._explained(images, known, classes)[1]

    def _explained(self, images, known, classes=None):
        """Returns logits and the answer; maps are NaN where not `known`."""
        images = self._prepared(images)
        logits, maps, predictions = self.attention.explain(
            self._classifier, images, classes
        )
        # NaN, as zeros or ones would look like a map.
        maps = ops.where(known[:, None, None], maps, float("nan"))
        return logits, _answer(predictions=predictions, attention_map=maps)

    def _prepared(self, images):
        """Converts the clients' images to the model's."""
        images = ensure_shape(images, self.spec.shape)
        return images if self.preprocess is None else self.preprocess(images)


def _is_finite(images):
    """Tells for each image whether all of its values are finite."""
    finite = ops.isfinite(ops.cast(images, "float32"))
    return ops.all(finite, axis=(1, 2, 3))


def _answer(**tensors):
    """Converts outputs to float32, as JSON and many clients need it."""
    return {name: ops.cast(each, "float32") for name, each in tensors.items()}


def write_saved_model(endpoints, folder):
    """Writes a SavedModel of endpoints.

    Args:
        endpoints: The `Endpoints`.
        folder: The folder to write.
    """
    archive = keras.export.ExportArchive()
    archive.track(endpoints.model)
    for name, (function, specs) in endpoints.signatures().items():
        archive.add_endpoint(name, function, specs, **SAVED_MODEL_OPTIONS)
    archive.write_out(str(folder), verbose=False)
