"""What a model says of images, and where it looks."""

from typing import NamedTuple

import numpy as np
from keras import ops

from .._backend import compiled
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..attention import GradCAM
from ..attention import intersection_over_union
from ..attention.resizing import upsampled
from ..classifier import Classifier
from ..classifier import as_images
from ..classifier import check_images
from ..classifier import check_labels
from ..classifier import class_indices
from .arrays import image_range
from .arrays import numpy


class Explained(NamedTuple):
    """What a model says of images.

    Args:
        predictions: Predicted classes `(N,)`.
        confidences: Their probabilities `(N,)`.
        maps: Attention maps `(N, height, width)`.
    """

    predictions: np.ndarray
    confidences: np.ndarray
    maps: np.ndarray


class Explainer:
    """Predictions and maps of one model, by code that is compiled once.

    Args:
        model: A Keras classifier; of an `AttentionDefendedModel`, its
            attention, mask and value range are the defaults.
        attention: The attention method. None means `GradCAM()` with maps
            divided by their maximum.
        mask: The `AttentionMask` that says where the attention area is. None
            means what lies above the map's mean.
        value_range: `(lower, upper)` bounds of the images. None means `(0,
            255)` for bytes and `(0, 1)` for others.
    """

    def __init__(self, model, attention=None, mask=None, value_range=None):
        self.model = model
        self.classifier = Classifier(model)
        self.attention = (
            attention
            or _its_own(model, "attention", AttentionMethod)
            or GradCAM(normalization="max")
        )
        self._mask = mask or _its_own(model, "mask", AttentionMask)
        self._value_range = value_range or getattr(model, "value_range", None)
        self._logits = compiled(self.classifier.logits, model.variables)
        self._run = self._explain
        if self.attention.differentiable:
            self._run = compiled(self._untouched, model.variables)

    def prepare(self, images, labels=None):
        """Checks images and labels.

        Args:
            images: `(N, height, width, channels)`.
            labels: Class indices, one-hot labels, or None.

        Returns:
            Float32 images and class indices (or None) in NumPy, and the
            bounds of the images.
        """
        value_range = image_range(images, self._value_range)
        check_images(images, value_range)
        if labels is not None:
            classes = self.classifier.num_classes
            check_labels(labels, classes, len(images))
            labels = numpy(class_indices(labels, classes))
        return numpy(as_images(images, value_range)), labels, value_range

    def __call__(self, images, labels=None):
        """Explains images that were prepared.

        Args:
            images: Float32 images in NumPy.
            labels: The classes to look for. None means the predicted ones.

        Returns:
            An `Explained`.
        """
        tensors = [
            None if each is None else ops.convert_to_tensor(each)
            for each in (images, labels)
        ]
        logits, maps = self._run(*tensors)
        return Explained(*_likeliest(logits), numpy(maps))

    def predict(self, images):
        """Predictions and confidences alone, `(N,)` each."""
        return _likeliest(self._logits(ops.convert_to_tensor(images)))

    def hidden(self, images, maps, value_range):
        """Images with their attention area hidden, in NumPy."""
        tensors = [ops.convert_to_tensor(x) for x in (images, maps)]
        return numpy(self._area_mask(value_range)(*tensors))

    def overlap(self, maps, others, value_range):
        """Intersection over union of the attention areas of maps, `(N,)`."""
        mask = self._area_mask(value_range)
        areas = [mask.area(ops.convert_to_tensor(x)) for x in (maps, others)]
        return numpy(intersection_over_union(*areas))

    def _area_mask(self, value_range):
        return self._mask or AttentionMask(value_range=value_range)

    def _untouched(self, images, labels):
        with self.classifier.untouched():
            return self._explain(images, labels)

    def _explain(self, images, labels):
        logits, maps, _ = self.attention.explain(
            self.classifier, images, labels
        )
        return ops.stop_gradient(logits), ops.stop_gradient(
            upsampled(maps, images)
        )


def _its_own(model, name, kind):
    found = getattr(model, name, None)
    return found if isinstance(found, kind) else None


def _likeliest(logits):
    probabilities = numpy(ops.softmax(logits))
    return probabilities.argmax(-1), probabilities.max(-1)
