"""Captions of pictures: names of classes, predictions, confidences."""

from typing import NamedTuple

import numpy as np

from ..data import to_numpy
from .style import BLACK
from .style import GRAY
from .style import RIGHT
from .style import WRONG


class Caption(NamedTuple):
    """One line under a picture.

    Args:
        text: The text, shortened where there is no room.
        color: Its color.
    """

    text: str
    color: str = GRAY


def class_name(index, class_names=None):
    """Returns the name of a class, or "class 3" where names are not known."""
    if class_names is None:
        return f"class {int(index)}"
    if not 0 <= index < len(class_names):
        raise ValueError(
            f"`class_names` has {len(class_names)} names, for the classes 0 to "
            f"{len(class_names) - 1}. Received: class {int(index)}."
        )
    return str(class_names[int(index)])


def name_captions(start, labels, num, class_names=None):
    """Returns the captions of known classes.

    Args:
        start: Text before the name.
        labels: Class indices `(num,)`, or None.
        num: Number of images.
        class_names: Names of the classes, if any.

    Returns:
        A tuple of captions for each image, empty without labels.
    """
    if labels is None:
        return [()] * num
    return [
        (Caption(start + class_name(each, class_names)),)
        for each in to_numpy(labels)
    ]


def prediction_captions(
    predictions, confidences, labels, num, class_names=None
):
    """Returns the captions of predictions, green or red if labels are known.

    Args:
        predictions: Class indices `(num,)`, or None.
        confidences: Their probabilities `(num,)`, or None.
        labels: The true classes `(num,)`, or None.
        num: Number of images.
        class_names: Names of the classes, if any.

    Returns:
        A tuple of captions for each image, empty without predictions.
    """
    if predictions is None:
        return [()] * num
    # Missing columns become None for each image.
    columns = [
        [None] * num if each is None else to_numpy(each)
        for each in (predictions, confidences, labels)
    ]
    return [
        _prediction_lines(*each, class_names)
        for each in zip(*columns, strict=True)
    ]


def _prediction_lines(prediction, confidence, label, class_names):
    name, color = class_name(prediction, class_names), BLACK
    if label is not None:
        mark, color = ("✓", RIGHT) if prediction == label else ("✗", WRONG)
        name = f"{mark} {name}"
    if confidence is None:
        return (Caption(name, color),)
    return Caption(name, color), Caption(_percent(confidence), color)


def _percent(confidence):
    if not (np.isnan(confidence) or 0 <= confidence <= 1):
        raise ValueError(
            "Confidences should be probabilities from 0 to 1. Received: "
            f"{confidence}"
        )
    return f"{100 * confidence:.0f} %"
