"""Write endpoints with the backend that is running."""

import keras


def write_saved_model(endpoints, folder):
    """Writes a SavedModel.

    Args:
        endpoints: The `Endpoints`.
        folder: Where to write.
    """
    archive = keras.export.ExportArchive()
    archive.track(endpoints.model)
    for name, (function, specs) in endpoints.signatures().items():
        archive.add_endpoint(name, function, specs)
    archive.write_out(str(folder), verbose=False)
