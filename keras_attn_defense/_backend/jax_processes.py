"""Processes that train one model together, on JAX."""

import warnings

import jax
import keras
import numpy as np


def process(model):
    """The number of this process, and how many train a model together."""
    del model  # The distribution is that of all models.
    if keras.distribution.distribution() is None:
        return 0, 1
    return jax.process_index(), jax.process_count()


def gathered(model, text):
    """The texts of all processes that train a model together, in order."""
    del model
    # Imported here: one process alone does not need it.
    from jax.experimental import multihost_utils

    own = np.frombuffer(text.encode(), "uint8")
    sizes = multihost_utils.process_allgather(np.array(len(own)))
    # All have to be of one size.
    own = np.pad(own, (0, sizes.max() - len(own)))
    texts = multihost_utils.process_allgather(own)
    return [
        row[:size].tobytes().decode()
        for row, size in zip(texts, sizes, strict=True)
    ]


def devices(model):
    """How many devices each batch is divided among, in all processes."""
    del model
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.num_model_replicas


def check_together(model):
    """Warns if this process trains by itself, though there are others."""
    del model
    if jax.process_count() > 1 and not keras.distribution.distribution():
        warnings.warn(
            "This is one of several processes, and trains by itself. Before "
            "the model is built, call `keras.distribution.set_distribution("
            "keras.distribution.DataParallel())`.",
            stacklevel=5,
        )
