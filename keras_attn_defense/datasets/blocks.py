"""Images and what belongs to them in blocks, from whatever `fit` takes."""

import keras
import numpy as np
from keras import ops

from .boxes import box_array

_NAMES = ("images", "labels", "boxes")


def blocks(x, y, *more, size, limit=None):
    """Yields tuples of NumPy arrays, `size` rows at a time.

    Args:
        x: Images, or a data set of `(images, labels)` batches: `tf.data`, a
            `PyDataset`, a PyTorch `DataLoader` or any iterable.
        y: Labels, if `x` are images.
        *more: With one further argument a third column is read too: boxes, if
            `x` are images. None where there are none, or `x` is a data set,
            which may have them or not.
        size: Rows of a block; the last one may have less.
        limit: The number of rows after which to stop, or None.
    """
    waiting, count, left = [], 0, limit
    for columns in _batches(x, y, *more, size=size):
        columns = tuple(column[:left] for column in columns)
        left = None if left is None else left - len(columns[0])
        waiting.append(columns)
        count += len(columns[0])
        while count >= size:
            columns = _joined(waiting)
            yield tuple(column[:size] for column in columns)
            waiting = [tuple(column[size:] for column in columns)]
            count -= size
        if left == 0:
            break
    if count:
        yield _joined(waiting)


def check_columns(batch):
    """Checks that a batch does not name its columns, as a dict does."""
    named = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if isinstance(named, dict):
        raise ValueError(
            "A batch of the data set should be (images, labels). Received a "
            f"dict with the keys {sorted(named)}. Name the two: "
            '`ds.map(lambda batch: (batch["image"], batch["label"]))` for '
            "`tf.data`, `to_tf_dataset(columns=..., label_cols=...)` for "
            "Hugging Face, a `collate_fn` that returns both for a PyTorch "
            "`DataLoader`."
        )


def number_of_images(x, limit):
    """How many images there will be, or None if only reading tells."""
    known = len(x) if getattr(x, "shape", ()) else None
    if known is None or limit is None:
        return known or limit
    return min(known, limit)


def _batches(x, *others, size):
    if hasattr(x, "shape"):
        yield from _slices(x, *others, size=size)
        return
    if not hasattr(x, "__iter__") and not _is_py_dataset(x):
        raise ValueError(
            "`x` should be images, or a data set of (images, labels) batches. "
            f"Received: {x!r} (of type {type(x).__name__})."
        )
    for name, values in zip(("y", "boxes"), others, strict=False):
        if values is not None:
            raise ValueError(
                f"`{name}` is given, but `x` is a data set, which holds labels "
                f"and boxes itself. Received: x of type {type(x).__name__}."
            )
    most = 1 + len(others)
    if _is_py_dataset(x):  # Iterating over it would not end.
        for index in range(x.num_batches):
            yield _row(x[index], most)
        return
    for batch in x:
        yield _row(batch, most)


def _is_py_dataset(x):
    return isinstance(x, keras.utils.PyDataset)


def _slices(x, y, *more, size):
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
                f"Expected an array of {name}, with a row for each image. "
                f"Received: {column!r} (of type {type(column).__name__})."
            )
    _check_lengths("", columns)
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield tuple(to_numpy(column[rows]) for column in columns)


def _row(batch, most):
    check_columns(batch)
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ValueError(
            "A batch of the data set should be (images, labels). Received: "
            f"{type(batch).__name__}."
        )
    columns = tuple(to_numpy(column) for column in batch[:most])
    if not all(column.ndim for column in columns):
        raise ValueError(
            "A data set should give batches of (images, labels). Received a "
            "single example, with the shapes "
            f"{[column.shape for column in columns]}. Put them into batches, "
            "such as `ds.batch(64)`."
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


def to_numpy(values):
    """Turns what holds an array, on any backend, into a NumPy array."""
    if hasattr(values, "detach"):  # A PyTorch tensor, on any backend.
        values = values.detach().cpu()
    if isinstance(values, (list, tuple)) or hasattr(values, "__array__"):
        return np.asarray(values)
    return np.asarray(ops.convert_to_numpy(values))


def _joined(pieces):
    kinds = {tuple(c.shape[1:] for c in columns) for columns in pieces}
    if len(kinds) > 1:
        raise ValueError(
            "Batches of the data set differ in what they hold. Received "
            f"examples of the shapes {sorted(kinds)}. Bring them to one shape; "
            "where an image has fewer boxes than others, add rows of -1."
        )
    return tuple(map(np.concatenate, zip(*pieces, strict=True)))
