"""Images and labels in blocks of one size, from whatever `fit` takes."""

import keras
import numpy as np
from keras import ops


def blocks(x, y, size, limit=None):
    """Yields `(images, labels)` in NumPy, `size` images at a time.

    Args:
        x: Images, or a data set of `(images, labels)` batches: `tf.data`, a
            `PyDataset`, a PyTorch `DataLoader` or any iterable.
        y: Labels, if `x` are images.
        size: Images of a block; the last one may have less.
        limit: The number of images after which to stop, or None.
    """
    waiting, count, left = [], 0, limit
    for images, labels in _batches(x, y, size):
        images, labels = images[:left], labels[:left]
        left = None if left is None else left - len(images)
        waiting.append((images, labels))
        count += len(images)
        while count >= size:
            images, labels = _joined(waiting)
            yield images[:size], labels[:size]
            waiting = [(images[size:], labels[size:])]
            count -= size
        if left == 0:
            break
    if count:
        yield _joined(waiting)


def number_of_images(x, limit):
    """How many images there will be, or None if only reading tells."""
    known = len(x) if hasattr(x, "shape") else None
    if known is None or limit is None:
        return known or limit
    return min(known, limit)


def _batches(x, y, size):
    if hasattr(x, "shape"):
        yield from _slices(x, y, size)
        return
    if not hasattr(x, "__iter__") and not _is_py_dataset(x):
        raise ValueError(
            "`x` should be images, or a data set of (images, labels) batches. "
            f"Received: {x!r} (of type {type(x).__name__})."
        )
    if y is not None:
        raise ValueError(
            "`y` is given, but `x` is a data set, which holds the labels "
            f"itself. Received: x of type {type(x).__name__}."
        )
    if _is_py_dataset(x):  # Iterating over it would not end.
        for index in range(x.num_batches):
            yield _pair(x[index])
        return
    for batch in x:
        yield _pair(batch)


def _is_py_dataset(x):
    return isinstance(x, keras.utils.PyDataset)


def _slices(x, y, size):
    if y is None:
        raise ValueError(
            "Robustness is measured against true labels. Pass `y`, class "
            "indices of shape (images,), or a data set of (images, labels)."
        )
    if len(x) != len(y):
        raise ValueError(
            f"Received {len(x)} images and {len(y)} labels. Expected one "
            "label for each image."
        )
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield _numpy(x[rows]), _numpy(y[rows])


def _pair(batch):
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ValueError(
            "A batch of the data set should be (images, labels). Received: "
            f"{type(batch).__name__}"
            + (f" with keys {sorted(batch)}" if isinstance(batch, dict) else "")
            + "."
        )
    images, labels = _numpy(batch[0]), _numpy(batch[1])
    if len(images) != len(labels):
        raise ValueError(
            f"A batch of the data set has {len(images)} images and "
            f"{len(labels)} labels."
        )
    return images, labels


def _numpy(values):
    if hasattr(values, "detach"):  # A PyTorch tensor, on any backend.
        values = values.detach().cpu()
    if isinstance(values, (list, tuple)) or hasattr(values, "__array__"):
        return np.asarray(values)
    return np.asarray(ops.convert_to_numpy(values))


def _joined(pieces):
    images, labels = zip(*pieces, strict=True)
    return np.concatenate(images), np.concatenate(labels)
