"""Export in a separate TensorFlow process, for backends that cannot."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import keras

from ..classifier import all_layers
from .endpoints import Endpoints
from .endpoints import write_saved_model

_SETTINGS = "settings.json"
_MODEL = "model.keras"
_ERROR = re.compile(r"^(\w+\.)*\w*(Error|Exception|Interrupt)\b")


def write_in_tensorflow(endpoints, folder):
    """Saves the model and writes it in a process with TensorFlow.

    Args:
        endpoints: The `Endpoints`.
        folder: The folder to write.
    """
    with tempfile.TemporaryDirectory() as scratch:
        endpoints.model.save(pathlib.Path(scratch, _MODEL))
        pathlib.Path(scratch, _SETTINGS).write_text(_settings(endpoints))
        run = subprocess.run(
            [sys.executable, "-m", __name__, scratch, str(folder)],
            env={
                **os.environ,
                "KERAS_BACKEND": "tensorflow",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        raise ValueError(
            "The TensorFlow process could not load or write the model: "
            f"{_cause(run.stderr)}\n{_advice(endpoints.model)}"
        )


def _cause(output):
    """Returns the error at the end of a traceback."""
    lines = output.strip().splitlines()
    # The last line that names an error starts the message; without one, the
    # last lines have to do.
    starts = [n for n, line in enumerate(lines) if _ERROR.match(line)]
    return "\n".join(lines[starts[-1] if starts else -20 :])[:1000]


def _advice(model):
    """Returns the sentence that tells how to fix a model."""
    lambdas = [
        layer.name
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.Lambda)
    ]
    if lambdas:
        return (
            f"The layers {lambdas} are `Lambda` layers, whose functions lose "
            "the names that they use in that process. Write them as classes "
            "of layers, registered (`@keras.saving."
            "register_keras_serializable()`) by a module that can be imported."
        )
    return (
        "Your own classes must be registered (`@keras.saving."
        "register_keras_serializable()`) by a module that can be imported."
    )


def _settings(endpoints):
    """Returns the endpoints, without the model, as JSON."""
    serialize = keras.saving.serialize_keras_object
    attention, preprocess = endpoints.attention, endpoints.preprocess
    return json.dumps(
        {
            "attention": attention and serialize(attention),
            "preprocess": preprocess and serialize(preprocess),
            "shape": endpoints.spec.shape,
            "dtype": str(endpoints.spec.dtype),
            "image_data_format": keras.config.image_data_format(),
        }
    )


def main(scratch, folder):
    """Writes the model that `write_in_tensorflow` has saved."""
    settings = json.loads(pathlib.Path(scratch, _SETTINGS).read_text())
    keras.config.set_image_data_format(settings["image_data_format"])
    attention, preprocess = (
        part and keras.saving.deserialize_keras_object(part)
        for part in (settings["attention"], settings["preprocess"])
    )
    spec = keras.InputSpec(shape=settings["shape"], dtype=settings["dtype"])
    # The file was just saved by the parent process, so that its `Lambda`
    # layers are as safe as the model itself.
    model = keras.saving.load_model(
        pathlib.Path(scratch, _MODEL), compile=False, safe_mode=False
    )
    endpoints = Endpoints(model, attention, preprocess, spec)
    write_saved_model(endpoints, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
