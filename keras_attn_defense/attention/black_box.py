"""Predictions for methods that run a classifier many times.

They run outside of any compiled step, in NumPy.
"""

import numpy as np
import scipy
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._backend import is_traced
from ..classifier.predictor import Predictor
from ..classifier.predictor import predictions


class BlackBox:
    """Logits and probabilities of NumPy images, a batch at a time.

    Args:
        batch_size: Number of images in one call of the model.
    """

    def __init__(self, batch_size):
        self.batch_size = check_count("batch_size", batch_size)
        self._code = predictions()

    def logits(self, classifier, images):
        """Returns logits `(N, classes)` of NumPy images, as a NumPy array."""
        predictor = Predictor(classifier, self.batch_size, self._code)
        return predictor.logits(images)

    def probabilities(self, classifier, images, classes):
        """Returns the probability `(N,)` of one class for each image."""
        logits = self.logits(classifier, images).astype("float64")
        return scipy.special.softmax(logits, axis=-1)[
            np.arange(len(images)), classes
        ]


def check_fill(fill):
    """Checks the value of hidden pixels.

    Returns:
        A number, a tuple with one number for each channel, or None.
    """
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


def concrete_images(images, user):
    """Returns images as a NumPy array of type float32.

    Raises:
        ValueError: If they have no values yet, as inside a compiled step or a
            functional model.
    """
    if is_traced(images):
        raise ValueError(
            f"{user} runs the model many times and needs images with values. "
            "It cannot be part of a compiled step or of a functional model: "
            "call it on arrays."
        )
    return np.asarray(ops.convert_to_numpy(images), "float32")
