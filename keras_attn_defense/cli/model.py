"""The model that a command is about."""

import os

import keras


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
