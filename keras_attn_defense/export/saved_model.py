"""Writing of SavedModels with the current backend."""

import keras

from .._backend import SAVED_MODEL_OPTIONS


def write_saved_model(endpoints, folder):
    """Writes a SavedModel of endpoints.

    Args:
        endpoints: The `Endpoints`.
        folder: The folder to write.
    """
    archive = keras.export.ExportArchive()
    archive.track(endpoints.model)
    for name, (function, specs) in endpoints.signatures().items():
        archive.add_endpoint(name, function, specs, **SAVED_MODEL_OPTIONS)
    archive.write_out(str(folder), verbose=False)
