"""The model that a command is about."""

import os

import keras

from ..classifier import check_value_range


def load_model(path):
    """Loads a model that Keras saved.

    Args:
        path: The file.

    Raises:
        ValueError: If there is no such file, or it is no model.
    """
    if not os.path.exists(path):
        raise ValueError(
            f"There is no model '{path}'. Pass a file that "
            '`model.save("model.keras")` wrote.'
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # A file may be broken in any way.
        raise ValueError(
            f"'{path}' could not be loaded as a Keras model: {error} Expected "
            'a file that `model.save("model.keras")` wrote, without layers '
            "that only your own program defines."
        ) from error


def value_range_of(model, value_range):
    """The bounds of the images of a model.

    Args:
        model: The model.
        value_range: What the user asked for, or None.
    """
    known = value_range or getattr(model, "value_range", None) or (0.0, 1.0)
    return check_value_range(known)
