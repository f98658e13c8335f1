"""Arrays of any framework, as NumPy arrays."""

from typing import Any

import numpy as np
from keras import ops


def to_numpy(values: Any) -> np.ndarray:
    """Converts an array or a tensor of any framework to a NumPy array."""
    if ops.is_tensor(values):
        return np.asarray(ops.convert_to_numpy(values))
    if hasattr(values, "detach"):  # PyTorch's, on another backend.
        values = values.detach().cpu()
    if isinstance(values, (list, tuple)) and any(map(ops.is_tensor, values)):
        values = [to_numpy(each) for each in values]
    if isinstance(values, (list, tuple)) or hasattr(values, "__array__"):
        return np.asarray(values)
    return np.asarray(ops.convert_to_numpy(values))


def check_numeric(what: str, values: np.ndarray) -> None:
    """Raises a `ValueError` for a NumPy array of anything but numbers.

    Args:
        what: What it holds, such as `"Images"`.
        values: The array.
    """
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{what} should be numbers. Received an array of type "
            f"{values.dtype}. Convert it, such as with "
            "`values.astype('float32')`."
        )
