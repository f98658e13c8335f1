"""Model and images of a command, checked against each other."""

import os
import zipfile
from typing import NamedTuple

import keras
import numpy as np

from .._archives import check_size
from .._typing import ValueRange
from ..classifier import as_classifier
from ..classifier.predictor import Predictor
from ..data import CheckedBlocks
from ..data import resolve_value_range
from .data import DataOptions
from .data import load_data
from .labels import read_class_names


class Inputs(NamedTuple):
    """Model and data of the commands `attack` and `explain`.

    Args:
        model: The model.
        images: Float32 images `(N, height, width, channels)`.
        labels: Class indices `(N,)`, or None.
        class_names: The names of the classes, or None.
        predictions: Predicted classes `(N,)`.
        predictor: The `Predictor` of the predictions.
        value_range: `(lower, upper)` bounds of the images.
    """

    model: keras.Model
    images: np.ndarray
    labels: np.ndarray | None
    class_names: list[str] | None
    predictions: np.ndarray
    predictor: Predictor
    value_range: ValueRange


def load_inputs(args, labels_needed):
    """Loads and checks the model and the data of the arguments.

    Args:
        args: The parsed arguments.
        labels_needed: Whether the data must have labels.

    Returns:
        The `Inputs`.
    """
    model = load_model(args.model)
    victim = as_classifier(model)
    options = data_options(args, victim, labels_needed)
    images, labels = load_data(args.data, options)
    if labels is None and labels_needed:
        raise ValueError(
            f"The data '{args.data}' contains images but no labels. Add them "
            "as y: `np.savez(path, x=images, y=labels)`."
        )
    # Without labels, zeros pass the checks.
    known = np.zeros(len(images), int) if labels is None else labels
    blocks = CheckedBlocks(
        images, known, max(len(images), 1), None, victim, options.value_range
    )
    images, classes = blocks.first
    predictor = Predictor(victim, args.batch_size)
    return Inputs(
        model,
        images,
        None if labels is None else classes,
        options.class_names,
        predictor.classes(images),
        predictor,
        options.value_range,
    )


def data_options(args, victim, labels_needed=True):
    """Returns the `DataOptions` of the arguments.

    Args:
        args: The parsed arguments.
        victim: The view of the model.
        labels_needed: Whether the data must have labels.
    """
    return DataOptions(
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


def load_model(path):
    """Loads a model that Keras saved.

    Keras does not run code from the file: it refuses `Lambda` layers with
    Python code, and functions that are not layers.

    Args:
        path: The file.

    Raises:
        ValueError: If there is no such file, it is not a model, or it claims
            to contain far more than its size allows.
    """
    if not os.path.exists(path):
        raise ValueError(
            f"There is no model '{path}'. Pass a file that "
            '`model.save("model.keras")` wrote.'
        )
    if path.endswith(".keras") and os.path.isfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                check_size(path, archive)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise ValueError(
                f"'{path}' is not a Keras model, or only a part of one: "
                f"{error}. Save it again with `model.save("
                '"model.keras")`.'
            ) from None
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Damaged files raise errors of many types.
        raise ValueError(
            f"'{path}' could not be loaded as a Keras model: {error} Expected "
            'a file that `model.save("model.keras")` wrote, without layers '
            "that only your own program defines and without `Lambda`s."
        ) from error
