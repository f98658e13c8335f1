"""Model and images of a command, checked against each other."""

from typing import NamedTuple

import numpy as np

from ..classifier import as_classifier
from ..classifier import resolve_value_range
from ..classifier.predictor import Predictor
from ..evaluation.checked_blocks import CheckedBlocks
from .data import Wanted
from .data import load_data
from .labels import read_class_names
from .model import load_model


class Inputs(NamedTuple):
    """What `attack` and `explain` work on.

    Args:
        model: The model.
        images: Float32 images `(N, height, width, channels)`.
        labels: Class indices `(N,)`, or None.
        class_names: The names of the classes, or None.
        predictions: Predicted classes `(N,)`.
        predictor: The `Predictor` that made them.
        value_range: `(lower, upper)` bounds of the images.
    """

    model: object
    images: np.ndarray
    labels: np.ndarray | None
    class_names: list | None
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
    wanted = wanted_of(args, victim, labels_needed)
    images, labels = load_data(args.data, wanted)
    if labels is None and labels_needed:
        raise ValueError(
            f"The data '{args.data}' holds images but no labels. Add them as "
            "y: `np.savez(path, x=images, y=labels)`."
        )
    known = np.zeros(len(images), int) if labels is None else labels
    blocks = CheckedBlocks(
        images, known, max(len(images), 1), None, victim, wanted.value_range
    )
    images, classes = blocks.first
    predictor = Predictor(victim, args.batch_size)
    return Inputs(
        model,
        images,
        None if labels is None else classes,
        wanted.class_names,
        predictor.classes(images),
        predictor,
        wanted.value_range,
    )


def wanted_of(args, victim, labels_needed=True):
    """What the arguments say about the data.

    Args:
        args: The parsed arguments.
        victim: The view of the model.
        labels_needed: Whether the data has to have labels.
    """
    return Wanted(
        resolve_value_range(victim.model, args.value_range),
        args.limit,
        args.seed,
        victim.num_classes,
        read_class_names(args.class_names),
        victim.input_shape[1:],
        args.image_size,
        args.color_mode,
        labels_needed,
    )
