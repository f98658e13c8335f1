"""Predictions and attention maps for figures."""

import copy
from typing import NamedTuple

import numpy as np
from keras import ops

from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..attention import GradCAM
from ..attention import get
from ..attention import intersection_over_union
from ..attention.compiled_method import CompiledMethod
from ..classifier import Classifier
from ..classifier import CompiledFunctions
from ..data import as_images
from ..data import check_images
from ..data import check_labels
from ..data import class_indices
from ..data import resolve_value_range
from ..data import to_numpy
from .arrays import image_range


class Explained(NamedTuple):
    """Predictions and attention maps of images.

    Args:
        predictions: Predicted classes `(N,)`.
        confidences: Their probabilities `(N,)`.
        maps: Attention maps `(N, height, width)`.
    """

    predictions: np.ndarray
    confidences: np.ndarray
    maps: np.ndarray


class Explainer:
    """Predicts and explains images of one shape, with compiled code.

    Args:
        model: A Keras classifier; of an `AttentionDefendedModel`, its
            attention, mask and value range are the defaults.
        images: `(N, height, width, channels)`.
        labels: Class indices, one-hot labels, or None.
        attention: The attention method, or its name. None means `GradCAM`
            with maps divided by their maximum.
        mask: The `AttentionMask` that defines the attention area. None means
            the positions above the map's mean.
        value_range: `(lower, upper)` bounds of the images. None means `(0,
            255)` for bytes and `(0, 1)` for others.

    Attributes:
        images: The images, float32 in NumPy.
        labels: Class indices in NumPy, or None.
    """

    def __init__(
        self,
        model,
        images,
        labels=None,
        attention=None,
        mask=None,
        value_range=None,
    ):
        self.model = model
        self.classifier = Classifier(model)
        if value_range is None:
            value_range = self.classifier.value_range
        else:
            value_range = resolve_value_range(model, value_range)
        self.value_range = image_range(images, value_range)
        self.images, self.labels = self._check_inputs(images, labels)
        # What is not given comes from a defended model, or is a default.
        self.attention = (
            named_attention(attention)
            or _attribute_of_type(model, "attention", AttentionMethod)
            or GradCAM(normalization="max")
        )
        self.mask = (
            mask
            or _attribute_of_type(model, "mask", AttentionMask)
            or AttentionMask(value_range=self.value_range)
        )
        self._code = CompiledFunctions(_functions)
        self._explain = CompiledMethod(self.attention, self.classifier)

    def __call__(self, images, labels=None):
        """Predicts and explains images.

        Args:
            images: Images of the shape of `self.images`, float32 in NumPy.
            labels: The classes to explain. None means the predicted ones.

        Returns:
            An `Explained`.
        """
        logits, maps = self._explain(images, labels)
        return Explained(*_predictions(logits), to_numpy(maps))

    def predict(self, images):
        """Returns predictions and confidences without maps, `(N,)` each."""
        run = self._code(self.classifier)["logits"]
        return _predictions(run(ops.convert_to_tensor(images)))

    def hidden(self, maps):
        """Hides the attention area of the images; returns a NumPy array."""
        tensors = [ops.convert_to_tensor(x) for x in (self.images, maps)]
        return to_numpy(self.mask(*tensors))

    def overlap(self, maps, maps_adv):
        """Returns the intersection over union of attention areas, `(N,)`."""
        tensors = [ops.convert_to_tensor(each) for each in (maps, maps_adv)]
        areas = [self.mask.area(each) for each in tensors]
        return to_numpy(intersection_over_union(*areas))

    def _check_inputs(self, images, labels):
        check_images(images, self.value_range)
        if labels is not None:
            classes = self.classifier.num_classes
            check_labels(labels, classes, len(images))
            labels = to_numpy(class_indices(labels, classes))
        return to_numpy(as_images(images, self.value_range)), labels


def named_attention(attention):
    """Returns an attention method by its name, or a method or None as it is.

    Maps of a method that is given by name are divided by their maximum.
    """
    if isinstance(attention, str):
        attention = get(attention, normalization="max")
    if attention is None or isinstance(attention, AttentionMethod):
        return attention
    raise ValueError(
        "`attention` should be an attention method, such as "
        "`kad.attention.LayerCAM()`, or its name. Received: "
        f"{attention!r} (of type {type(attention).__name__})."
    )


def check_attack(attack, method=None):
    """Checks that an attack can be drawn.

    Args:
        attack: An attack, or a function of a model, images and labels.
        method: Name of a method that it needs, or None.

    Raises:
        ValueError: If it is not an attack, or lacks the method.
    """
    if not callable(attack) or not hasattr(attack, method or "__call__"):
        wanted = "an attack, such as `kad.attacks.PGD()`, or a function"
        if method:
            wanted = (
                "an attack of a fixed number of gradient steps, such as "
                "`kad.attacks.PGD()` or `kad.attacks.BIM()`, not a function"
            )
        raise ValueError(
            f"`attack` should be {wanted}. Received: {attack!r} (of type "
            f"{type(attack).__name__})."
        )


def _functions(classifier):
    return {"logits": classifier.logits}


def in_range(attack, model, value_range):
    """Returns an attack that keeps images in a value range.

    Args:
        attack: An attack, or a function, which is returned as it is.
        model: The model that it attacks.
        value_range: `(lower, upper)` bounds of the images.

    Returns:
        The attack, or a copy of it with another range.

    Raises:
        ValueError: If the attack was built for another range.
    """
    if not hasattr(attack, "resolve_value_range"):
        return attack
    attack_range = attack.resolve_value_range(model)
    if attack_range == value_range:
        return attack
    if attack.value_range is not None:
        raise ValueError(
            f"The attack is for images in value_range={attack_range}, but "
            f"these are in {value_range}. Pass the same `value_range` to both, "
            "or no `value_range` to the attack."
        )
    # A copy, so that the user's attack keeps its settings.
    attack = copy.copy(attack)
    attack.value_range = value_range
    return attack


def _attribute_of_type(model, name, kind):
    """Returns an attribute if it has the expected type, otherwise None."""
    value = getattr(model, name, None)
    return value if isinstance(value, kind) else None


def _predictions(logits):
    """Returns the predicted classes and their probabilities."""
    probabilities = to_numpy(ops.softmax(logits))
    return probabilities.argmax(-1), probabilities.max(-1)
