"""Loading of the model of a command."""

import os
import zipfile

import keras

from .._archives import check_size


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
