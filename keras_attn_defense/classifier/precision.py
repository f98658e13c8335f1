"""Numbers wide enough for losses and maps under mixed precision."""

import keras
from keras import ops

from .._typing import Tensor


def full_precision(tensor: Tensor) -> Tensor:
    """Casts half-precision (and whole) numbers to float32; wider ones stay."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype in ("float32", "float64"):
        return tensor
    return ops.cast(tensor, "float32")
