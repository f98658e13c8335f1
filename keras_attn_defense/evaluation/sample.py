"""A few images of an evaluation, drawn from all of its data."""

import numpy as np

from ..data import to_numpy
from ..datasets.sampling import stratified_sample
from .shard import shard_name

_SIZE = 128


def limited(x, y, limit, seed):
    """Takes a sample of arrays, in which each class keeps its share.

    Args:
        x: Images, or a data set, which is left as it is.
        y: Their labels, or None.
        limit: The number of images to take, or None for all.
        seed: Integer seed of the draw.

    Returns:
        Images, labels, and the rows that they were, None for all rows.
    """
    is_array = hasattr(x, "shape") and y is not None
    if limit is None or not is_array or len(x) != len(y) or limit >= len(x):
        return x, y, None
    y = to_numpy(y)
    rows = stratified_sample(y, limit, seed)
    return to_numpy(x)[rows], y[rows], rows


def taken(count, total, limit, rows, shard=None):
    """Says which images of the data an evaluation took.

    Args:
        count: The number of images that it took.
        total: The number of images in the data, or None if not known.
        limit: The limit that was asked for, or None.
        rows: The rows that were drawn, or None.
        shard: `(index, count)`, or None for all images.
    """
    if shard is not None:
        return f"{count} images, {shard_name(shard)}"
    if rows is not None:
        return f"{count} images, drawn from {total} by class"
    if limit is not None and count == limit and count != total:
        return f"the first {count} images"
    return f"{count} images"


class Sample:
    """Draws images while blocks pass by, each with the same chance.

    Args:
        blocks: Yields `Block`s.
        seed: Integer seed of the draw.

    Reference:
        Algorithm R of [Vitter, 1985](https://doi.org/10.1145/3147.3165).
    """

    def __init__(self, blocks, seed):
        self._blocks = blocks
        self._generator = np.random.default_rng(seed)
        self._rows = []

    def __iter__(self):
        """Passes the blocks on."""
        for block in self._blocks:
            pairs = zip(block.images, block.labels, strict=True)
            for position, (image, label) in enumerate(pairs, block.first):
                self._draw(position, image, label)
            yield block

    def _draw(self, position, image, label):
        place = len(self._rows)
        if place < _SIZE:
            self._rows.append(None)
        else:
            place = self._generator.integers(position + 1)
        if place < _SIZE:
            # Copied, or the image would keep its whole block in memory.
            self._rows[place] = position, image.copy(), label

    def drawn(self):
        """The positions in the data, the images and their class indices."""
        rows = sorted(self._rows, key=lambda row: row[0])
        return tuple(np.stack(column) for column in zip(*rows, strict=True))
