"""Blocks of images and labels that are what the model expects."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from .._typing import ValueRange
from .blocks import blocks
from .images import check_contrast
from .images import check_images
from .labels import check_labels


class CheckedBlocks:
    """Goes once through a data set; the first block stays at hand.

    Args:
        x: Images, or a data set of `(images, labels)` batches.
        y: Labels, if `x` are images.
        size: Images of a block.
        limit: The number of images after which to stop, or None.
        victim: A classifier view; see `classifier.as_classifier`.
        value_range: `(lower, upper)` bounds of the images.

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
    ) -> None:
        self._victim = victim
        self._value_range = value_range
        self._rest = blocks(x, y, size=size, limit=limit)
        opening = next(self._rest, None)
        if opening is None:
            raise ValueError("There are no images in `x`.")
        if victim.num_classes is None:  # A function, not called yet.
            self._try_out(opening[0])
        self.first = self._checked(0, *opening)
        check_contrast(self.first[0], value_range)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yields the position of the first image, images and class indices."""
        yield 0, *self.first
        position = len(self.first[0])
        for images, labels in self._rest:
            yield position, *self._checked(position, images, labels)
            position += len(images)

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
