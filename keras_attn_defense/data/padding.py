"""Batches of one size, so that compiled code serves them all."""

from collections.abc import Iterator

import numpy as np
from keras import ops

from .._backend import SUPPORTS_JIT
from .._typing import Tensor


def padded_batches(
    *arrays: np.ndarray, size: int
) -> Iterator[tuple[slice, tuple[Tensor, ...]]]:
    """Cuts arrays into batches of `size` rows, filling up the last.

    Args:
        *arrays: NumPy arrays of equal length.
        size: Rows of a batch, or of one at most, if there are fewer.

    Yields:
        The slice of rows, and tensors of the rows, the last one repeated.
    """
    total = len(arrays[0])
    size = padded_size(total, size)
    for first in range(0, total, size):
        rows = slice(first, min(first + size, total))
        chosen = np.minimum(np.arange(first, first + size), total - 1)
        yield rows, tuple(ops.convert_to_tensor(a[chosen]) for a in arrays)


def padded_size(rows: int, largest: int) -> int:
    """Returns the size of a batch that holds `rows`, or as many as it can.

    Where a batch of another size is compiled again, sizes are few: `largest`,
    half of it, and so on, so that at most half of a batch is wasted.

    Args:
        rows: Number of rows.
        largest: The largest size.
    """
    if not SUPPORTS_JIT:
        return max(min(rows, largest), 1)
    size = largest
    while size // 2 >= max(rows, 1):
        size //= 2
    return size
