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


def fingerprint(victim, contenders, threat, **arguments):
    """A dict of plain values.

    Args:
        victim: The classifier.
        contenders: The rows of the report.
        threat: The `ThreatModel`.
        **arguments: Other arguments that change the numbers.
    """
    return {
        "weights": weights_checksum(victim),
        "attacks": {each.name: settings(each.attack) for each in contenders},
        "threat_model": threat._asdict(),
        "versions": versions(),
        **arguments,
    }


def describe(model, dataset, attacks, seed, records, identity):
    """What a report says of model, data and machine.

    Args:
        model: The model.
        dataset: The name of the data, or None.
        attacks: The argument that named the attacks.
        seed: The seed.
        records: The finished `Records`.
        identity: The fingerprint.
    """
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
            "weights_checksum": identity["weights"],
            "data_checksum": data_checksum(records.checksums),
        },
    }


def weights_checksum(victim):
    """A checksum of a Keras model's weights, None for a function."""
    if not victim.variables:
        return None
    digest = hashlib.sha256()
    for variable in victim.model.weights:
        digest.update(np.asarray(ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()


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
