"""Seeding of the global random numbers that other libraries use."""

import contextlib
import random
import sys

import keras
import numpy as np
from keras import ops


@contextlib.contextmanager
def seeded(generator):
    """Seeds global random numbers from a Keras generator within a scope.

    Afterwards the states of Python, NumPy and PyTorch are restored; that of
    TensorFlow cannot be read.

    Args:
        generator: A `keras.random.SeedGenerator`, which advances by one.
    """
    state = np.asarray(ops.convert_to_numpy(generator.next()))
    (seed,) = np.random.SeedSequence(state.tolist()).generate_state(1)
    seed = int(seed) % 2**31
    before = random.getstate(), np.random.get_state()
    with contextlib.ExitStack() as stack:
        if "torch" in sys.modules:
            from .._backend.torch_module import torch_seeded

            stack.enter_context(torch_seeded(seed))
        keras.utils.set_random_seed(seed)
        if "eagerpy" in sys.modules and keras.backend.backend() == "jax":
            # JAX has no global generator: Foolbox uses this one.
            sys.modules["eagerpy"].JAXTensor.key = generator.next()
        try:
            yield seed
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
