"""The model that a command is about."""

import os
import zipfile

import keras

from .._archives import check_size


def load_model(path):
    """Loads a model that Keras saved.

    Keras runs no code that is in the file: `Lambda` layers with code of their
    own and functions that are no layers are refused.

    Args:
        path: The file.

    Raises:
        ValueError: If there is no such file, it is no model, or claims to
            hold absurdly much.
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
                f"'{path}' is no Keras model, or a part of one: {error}. Save "
                'it anew with `model.save("model.keras")`.'
            ) from None
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # A file may be broken in any way.
        raise ValueError(
            f"'{path}' could not be loaded as a Keras model: {error} Expected "
            'a file that `model.save("model.keras")` wrote, without layers '
            "that only your own program defines and without `Lambda`s."
        ) from error
