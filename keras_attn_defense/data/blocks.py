"""Blocks of images, labels and boxes, from any data that `fit` takes."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from .arrays import to_numpy
from .boxes import box_array

_NAMES = ("images", "labels", "boxes")


def blocks(
    x: Any, y: Any, *more: Any, size: int, limit: int | None = None
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields tuples of NumPy arrays, `size` rows at a time.

    Args:
        x: Images, or a data set of `(images, labels)` batches: `tf.data`, a
            `PyDataset`, a PyTorch `DataLoader` or any iterable.
        y: Labels, if `x` are images.
        *more: One further argument adds a third column: boxes, if `x` are
            images. It is None if there are no boxes, or if `x` is a data set,
            which may contain boxes or not.
        size: Rows of a block; the last one may have fewer.
        limit: The number of rows after which to stop, or None.
    """
    # Batches of any size are collected until they fill a block; the rest of
    # them begins the next one.
    pending, count, left = [], 0, limit
    for columns in _batches(x, y, *more, size=size):
        columns = tuple(column[:left] for column in columns)
        left = None if left is None else left - len(columns[0])
        pending.append(columns)
        count += len(columns[0])
        while count >= size:
            columns = _joined(pending)
            yield tuple(column[:size] for column in columns)
            pending = [tuple(column[size:] for column in columns)]
            count -= size
        if left == 0:
            break
    if count:
        yield _joined(pending)


def check_columns(batch: Any) -> None:
    """Checks that a batch is not a dict of columns.

    Raises:
        ValueError: If it is.
    """
    first = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if isinstance(first, dict):
        raise ValueError(
            "A batch of the data set should be (images, labels). Received a "
            f"dict with the keys {sorted(first)}. Choose these two: "
            '`ds.map(lambda batch: (batch["image"], batch["label"]))` for '
            "`tf.data`, `to_tf_dataset(columns=..., label_cols=...)` for "
            "Hugging Face, a `collate_fn` that returns both for a PyTorch "
            "`DataLoader`."
        )


def number_of_images(x: Any, limit: int | None) -> int | None:
    """Returns the number of images, or None if it is not known in advance."""
    known = len(x) if getattr(x, "shape", ()) else None
    if known is None or limit is None:
        return known or limit
    return min(known, limit)


def _batches(x, *columns, size):
    """Yields tuples of columns, in batches of any size."""
    if hasattr(x, "shape"):
        yield from _slices(x, *columns, size=size)
        return
    if not hasattr(x, "__iter__") and not _is_py_dataset(x):
        raise ValueError(
            "`x` should be images, or a data set of (images, labels) batches. "
            f"Received: {x!r} (of type {type(x).__name__})."
        )
    for name, values in zip(("y", "boxes"), columns, strict=False):
        if values is not None:
            raise ValueError(
                f"`{name}` is given, but `x` is a data set, which contains "
                "labels and boxes itself. Received: x of type "
                f"{type(x).__name__}."
            )
    most = 1 + len(columns)
    if _is_py_dataset(x):  # Iterating over it would never end.
        for index in range(x.num_batches):
            yield _row(x[index], most)
        return
    for batch in x:
        yield _row(batch, most)


def _is_py_dataset(x):
    return isinstance(x, keras.utils.PyDataset)


def _slices(x, y, *more, size):
    """Yields batches of arrays."""
    if y is None:
        raise ValueError(
            "Robustness is measured against true labels. Pass `y`, class "
            "indices of shape (images,), or a data set of (images, labels)."
        )
    # Boxes may be lists of different lengths.
    more = [box_array(values) for values in more if values is not None]
    columns = [x, y, *more]
    for name, column in zip(_NAMES, columns, strict=False):
        if not np.shape(column):
            raise ValueError(
                f"Expected an array of {name}, with one row for each image. "
                f"Received: {column!r} (of type {type(column).__name__})."
            )
    _check_lengths("", columns)
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield tuple(to_numpy(column[rows]) for column in columns)


def _row(batch, most):
    """Returns the first `most` columns of a batch of a data set."""
    check_columns(batch)
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ValueError(
            "A batch of the data set should be (images, labels). Received: "
            f"{type(batch).__name__}."
        )
    columns = tuple(to_numpy(column) for column in batch[:most])
    if not all(column.ndim for column in columns):
        raise ValueError(
            "A data set should yield batches of (images, labels). Received a "
            "single example, with the shapes "
            f"{[column.shape for column in columns]}. Batch the examples, for "
            "instance with `ds.batch(64)`."
        )
    _check_lengths("In a batch of the data set: ", columns)
    return columns


def _check_lengths(where, columns):
    for name, column in zip(_NAMES, columns, strict=False):
        if len(column) != len(columns[0]):
            raise ValueError(
                f"{where}Received {len(columns[0])} images and {len(column)} "
                f"{name}. Expected one of the {name} for each image."
            )


def _joined(pieces):
    """Concatenates the columns of batches."""
    kinds = {tuple(c.shape[1:] for c in columns) for columns in pieces}
    if len(kinds) > 1:
        raise ValueError(
            "Batches of the data set differ in their columns or shapes. "
            f"Received examples of the shapes {sorted(kinds)}. Bring them to "
            "one shape; where an image has fewer boxes than others, add rows "
            "of -1."
        )
    return tuple(map(np.concatenate, zip(*pieces, strict=True)))
