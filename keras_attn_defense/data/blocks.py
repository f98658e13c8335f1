"""Blocks of images, labels and boxes, from any data that `fit` takes."""

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from .._typing import ValueRange
from .arrays import to_numpy
from .boxes import box_array
from .images import check_contrast
from .images import check_images
from .labels import check_labels

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
    yield from map(_joined, _pieces(x, y, *more, size=size, limit=limit))


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


def _pieces(x, *columns, size, limit):
    """Yields for each block the parts of batches that it is made of.

    Those of arrays are views: a block that nobody joins is not read.
    """
    # Batches of any size are collected until they fill a block; the rest of
    # the last one begins the next block.
    pieces, room, left = [], size, limit
    for batch in _batches(x, *columns, size=size):
        batch = tuple(column[:left] for column in batch)
        left = None if left is None else left - len(batch[0])
        while len(batch[0]) >= room:
            yield [*pieces, tuple(column[:room] for column in batch)]
            batch = tuple(column[room:] for column in batch)
            pieces, room = [], size
        if len(batch[0]):
            pieces.append(batch)
            room -= len(batch[0])
        if left == 0:
            break
    if pieces:
        yield pieces


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


class Block(NamedTuple):
    """Images of a data set that are looked at together.

    Args:
        number: The number of the block, counted from 0.
        first: The position of its first image in the data.
        images: The images, NumPy in float32.
        labels: Their class indices, NumPy.
    """

    number: int
    first: int
    images: np.ndarray
    labels: np.ndarray


class CheckedBlocks:
    """Goes through a data set once, and keeps the first block.

    Args:
        x: Images, or a data set of `(images, labels)` batches.
        y: Labels, if `x` are images.
        size: Images of a block.
        limit: The number of images after which to stop, or None.
        victim: A classifier view; see `classifier.as_classifier`.
        value_range: `(lower, upper)` bounds of the images.
        shard: `(index, count)`: of each `count` blocks, only the one at
            `index` is yielded. None yields all.

    Raises:
        ValueError: If images or labels are not what the model expects; it
            says where they are in the data.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        size: int,
        limit: int | None,
        victim: Any,
        value_range: ValueRange,
        shard: tuple[int, int] | None = None,
    ) -> None:
        self._victim = victim
        self._value_range = value_range
        self._size = size
        self._shard = shard or (0, 1)
        self._rest = _pieces(x, y, size=size, limit=limit)
        opening = next(self._rest, None)
        if opening is None:
            raise ValueError("There are no images in `x`.")
        images, labels = _joined(opening)
        if victim.num_classes is None:  # A function, not called yet.
            self._try_out(images)
        #: The first images and labels of all, also for a shard without them.
        self.first = self._checked(0, images, labels)
        check_contrast(self.first[0], value_range)

    def __iter__(self) -> Iterator[Block]:
        """Yields the blocks."""
        index, count = self._shard
        number = 0
        if index == 0:
            yield Block(0, 0, *self.first)
        for number, pieces in enumerate(self._rest, 1):
            if number % count == index:
                # All blocks before it are full.
                first = number * self._size
                checked = self._checked(first, *_joined(pieces))
                yield Block(number, first, *checked)
        if number < index:
            raise ValueError(
                f"Shard {index} of {count} has no images: in blocks of "
                f"{self._size} images, the data has {number + 1}. Make at most "
                f"{number + 1} shards, or take a smaller `batch_size`."
            )

    def _try_out(self, images):
        check_images(images, self._value_range)
        sample = images[:8].astype("float32")
        self._victim.check_logits(ops.convert_to_tensor(sample))

    def _checked(self, position, images, labels):
        try:
            check_images(images, self._value_range)
            self._check_shape(images.shape[1:])
            check_labels(labels, self._victim.num_classes, len(images))
        except ValueError as error:
            last = position + len(images) - 1
            raise ValueError(
                f"In images {position} to {last} of the data: {error}"
            ) from None
        if labels.ndim == 2 and labels.shape[1] > 1:
            labels = labels.argmax(-1)
        # Rounding may have taken them out of the range.
        images = np.clip(images.astype("float32"), *self._value_range)
        return images, labels.reshape(-1).astype("int64")

    def _check_shape(self, shape):
        expected = (self._victim.input_shape or (None, *shape))[1:]
        if any(
            side not in (None, size)
            for size, side in zip(shape, expected, strict=True)
        ):
            raise ValueError(
                f"Images have the shape {shape}, but the model takes "
                f"{expected}. PyTorch data is often (channels, height, "
                "width): transpose it."
            )
