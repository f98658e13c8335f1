"""Model and images of a command, checked against each other."""

from typing import NamedTuple

import numpy as np

from ..classifier import as_classifier
from ..classifier import resolve_value_range
from ..classifier.predictor import Predictor
from ..evaluation.checked_blocks import CheckedBlocks
from .data import load_data
from .model import load_model


class Inputs(NamedTuple):
    """What `attack` and `explain` work on.

    Args:
        model: The model.
        images: Float32 images `(N, height, width, channels)`.
        labels: Class indices `(N,)`, or None.
        predictions: Predicted classes `(N,)`.
        predictor: The `Predictor` that made them.
        value_range: `(lower, upper)` bounds of the images.
    """

    model: object
    images: np.ndarray
    labels: np.ndarray | None
    predictions: np.ndarray
    predictor: Predictor
    value_range: tuple


def load_inputs(args, labels_needed):
    """Loads and checks what the arguments name.

    Args:
        args: The parsed arguments.
        labels_needed: Whether the data has to have labels.
    """
    model = load_model(args.model)
    victim = as_classifier(model)
    value_range = resolve_value_range(model, args.value_range)
    images, labels = load_data(args.data, value_range, args.limit)
    if labels is None and labels_needed:
        raise ValueError(
            f"The data '{args.data}' holds images but no labels. Add them as "
            "y: `np.savez(path, x=images, y=labels)`."
        )
    known = np.zeros(len(images), int) if labels is None else labels
    blocks = CheckedBlocks(
        images, known, max(len(images), 1), None, victim, value_range
    )
    images, classes = blocks.first
    predictor = Predictor(victim, args.batch_size)
    return Inputs(
        model,
        images,
        None if labels is None else classes,
        predictor.classes(images),
        predictor,
        value_range,
    )
