"""What has to be equal for two evaluations to give equal numbers."""

import hashlib
import os
import platform
import sys
import zlib

import keras
import numpy as np
from keras import ops

from .._backend import accelerators
from ..version import __version__
from .suite import settings


def fingerprint(predictor, images, records, **arguments):
    """A dict of plain values.

    Args:
        predictor: The `Predictor` of the model.
        images: Some images, to know a plain function by its predictions.
        records: The `Records`, empty.
        **arguments: Other arguments that change the numbers.
    """
    return {
        "model_checksum": _model_checksum(predictor, images),
        "attacks": {
            each.name: settings(each.attack) for each in records.contenders
        },
        "threat_model": records.threat._asdict(),
        "versions": versions(),
        **arguments,
    }


def describe(victim, dataset, attacks, seed, records, identity):
    """What a report says of model, data and machine.

    Args:
        victim: The classifier.
        dataset: The name of the data, or None.
        attacks: The argument that named the attacks.
        seed: The seed.
        records: The finished `Records`.
        identity: The fingerprint.
    """
    model = victim.model
    name = getattr(model, "name", None) or getattr(model, "__name__", "model")
    return {
        "name": name,
        "architecture": getattr(getattr(model, "base", model), "name", name),
        "dataset": dataset,
        "standard": attacks == "autoattack",
        "evidence": {
            "seed": seed,
            "backend": keras.backend.backend(),
            "versions": identity["versions"],
            "hardware": {
                "machine": platform.machine(),
                "cpus": os.cpu_count(),
                "accelerators": accelerators(),
            },
            "model_checksum": identity["model_checksum"],
            "data_checksum": data_checksum(records.checksums),
        },
    }


def data_checksum(*arrays):
    """A checksum of arrays, fast enough for every block."""
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(np.ascontiguousarray(array).tobytes(), checksum)
    return checksum


def versions():
    """The versions that numbers may depend on."""
    backend = keras.backend.backend()
    return {
        "keras_attn_defense": __version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: sys.modules[backend].__version__,
        "numpy": np.__version__,
    }


def _model_checksum(predictor, images):
    """Of a Keras model's weights, or of what a function predicts."""
    victim = predictor.victim
    if not victim.variables:
        arrays = [predictor.classes(images)]
    else:
        arrays = [
            ops.convert_to_numpy(variable)
            for variable in victim.variables
            if not variable.path.endswith("seed_generator_state")
        ]
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
