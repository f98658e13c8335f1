"""What stands under a picture."""

from typing import NamedTuple

import numpy as np

from .style import BLACK
from .style import GRAY
from .style import RIGHT
from .style import WRONG


class Caption(NamedTuple):
    """One line under a picture.

    Args:
        text: The text, cut where there is no room.
        color: Its colour.
        ending: What is never cut.
    """

    text: str
    color: str = GRAY
    ending: str = ""


def class_name(index, class_names=None):
    """The name of a class, or "class 3" where names are not known."""
    if class_names is None:
        return f"class {int(index)}"
    if not 0 <= index < len(class_names):
        raise ValueError(
            f"`class_names` has {len(class_names)} names, for the classes 0 to "
            f"{len(class_names) - 1}. Received: class {int(index)}."
        )
    return str(class_names[int(index)])


def predicted(prediction, label=None, confidence=None, class_names=None):
    """The caption of a prediction, green if it is right and red if not.

    Args:
        prediction: Class index.
        label: The true class, if known.
        confidence: The probability of the prediction, if known.
        class_names: Names of the classes, if any.

    Returns:
        A `Caption`.
    """
    name = class_name(prediction, class_names)
    ending = "" if confidence is None else f", {_percent(confidence)}"
    if label is None:
        return Caption(name, BLACK, ending)
    if prediction == label:
        return Caption(f"✓ {name}", RIGHT, ending)
    return Caption(f"✗ {name}", WRONG, ending)


def name_captions(start, labels, num, class_names=None):
    """The captions of known classes: a tuple for each image.

    Args:
        start: What stands before the name.
        labels: Class indices `(num,)`, or None.
        num: Number of images.
        class_names: Names of the classes, if any.
    """
    if labels is None:
        return [()] * num
    return [
        (Caption(start + class_name(each, class_names)),) for each in labels
    ]


def prediction_captions(
    predictions, confidences, labels, num, class_names=None
):
    """The captions of predictions: a tuple for each image.

    Args:
        predictions: Class indices `(num,)`, or None.
        confidences: Their probabilities `(num,)`, or None.
        labels: The true classes `(num,)`, or None.
        num: Number of images.
        class_names: Names of the classes, if any.
    """
    if predictions is None:
        return [()] * num
    columns = [
        [None] * num if each is None else each
        for each in (predictions, labels, confidences)
    ]
    return [
        (predicted(*each, class_names),) for each in zip(*columns, strict=True)
    ]


def _percent(confidence):
    if not (np.isnan(confidence) or 0 <= confidence <= 1):
        raise ValueError(
            "Confidences should be probabilities from 0 to 1. Received: "
            f"{confidence}"
        )
    return f"{100 * confidence:.0f} %"
