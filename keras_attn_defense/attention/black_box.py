"""Run a classifier many times, outside of any compiled step."""

import numpy as np
import scipy
from keras import ops

from .._backend import is_traced
from ..classifier import check_count
from ..classifier import check_number
from ..classifier.predictor import Predictor
from ..classifier.predictor import predictions


class BlackBox:
    """What a method of many passes asks of a classifier.

    Args:
        batch_size: Images in one call of the model.
    """

    def __init__(self, batch_size):
        self.batch_size = check_count("batch_size", batch_size)
        self._code = predictions()

    def logits(self, classifier, images):
        """Logits `(N, classes)` of images in NumPy, in NumPy."""
        predictor = Predictor(classifier, self.batch_size, self._code)
        return predictor.logits(images)

    def probabilities(self, classifier, images, classes):
        """Probabilities `(N,)` of one class for each image."""
        logits = self.logits(classifier, images).astype("float64")
        return scipy.special.softmax(logits, axis=-1)[
            np.arange(len(images)), classes
        ]


def check_fill(fill):
    """Returns what replaces hidden pixels: a number, one a channel, or None."""
    if fill is None:
        return None
    try:
        if np.ndim(fill) == 1:
            return tuple(
                check_number("fill", each, -float("inf")) for each in fill
            )
        return check_number("fill", fill, -float("inf"))
    except ValueError:
        raise ValueError(
            "`fill` should be a number, one number for each channel, or None. "
            f"Received: fill={fill!r}"
        ) from None


def at_hand(images, user):
    """Images in NumPy, float32.

    Raises:
        ValueError: If they have no values yet, as in a step that is compiled
            or a functional model.
    """
    if is_traced(images):
        raise ValueError(
            f"{user} runs the model many times and needs images at hand. It "
            "cannot be part of a compiled step or of a functional model: call "
            "it on arrays."
        )
    return np.asarray(ops.convert_to_numpy(images), "float32")
