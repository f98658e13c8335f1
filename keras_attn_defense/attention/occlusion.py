"""Occlusion attention maps."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._arguments import check_count
from .._registration import register
from .._typing import Model
from .black_box_method import BlackBoxMethod


@register
class Occlusion(BlackBoxMethod):
    """Occlusion: how far a patch over the image lowers the probability.

    A patch slides over the image. A pixel's value is the mean drop of the
    class's probability over the patches that cover it; pixels that speak
    against the class are below zero.

    Args:
        patch: Side of the square patch in pixels; None means a quarter of the
            shorter side of the image.
        stride: Pixels from one patch to the next; None means half of `patch`.
        normalization: ReLU followed by division by the `"max"`, `"sum"` or
            `"l2"` length of the map, `"softmax"` over all positions, or None
            for ReLU alone.
        fill: Value of hidden pixels, a number or one for each channel; None
            means the mean color of each image.
        batch_size: Number of images in one call of the model.
        model: The classifier to explain.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.Occlusion(patch=8, stride=4, model=model)(x, y)
    ```

    Reference:
        [Zeiler and Fergus, 2014](https://arxiv.org/abs/1311.2901), section
        4.2.
    """

    def __init__(
        self,
        patch: int | None = None,
        stride: int | None = None,
        *,
        normalization: str | None = "l2",
        fill: float | Sequence[float] | None = None,
        batch_size: int = 128,
        model: Model | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            normalization,
            fill=fill,
            batch_size=batch_size,
            model=model,
            name=name,
        )
        self.patch = None if patch is None else check_count("patch", patch)
        self.stride = None if stride is None else check_count("stride", stride)

    def raw_maps(
        self,
        score: Callable[..., np.ndarray],
        images: np.ndarray,
        classes: np.ndarray,
    ) -> np.ndarray:
        windows = self.windows(images.shape[1:3])
        whole = score(images, classes)
        maps = np.zeros(images.shape[:3])
        covered = np.zeros(images.shape[1:3])
        # The number of patches that cover each pixel, the same for all images.
        for window in windows:
            covered[window] += 1
        # A pixel's attention is the mean drop of the patches that cover it.
        for index, image in enumerate(images):
            drops = whole[index] - self._scores(
                score, image, classes[index], windows
            )
            for window, drop in zip(windows, drops, strict=True):
                maps[index][window] += drop
        return maps / covered

    def windows(self, size: tuple[int, int]) -> list[tuple[slice, slice]]:
        """Returns the patches, as slices of rows and columns."""
        patch = min(self.patch or max(min(size) // 4, 1), *size)
        stride = self.stride or max(patch // 2, 1)
        if stride > patch:
            raise ValueError(
                f"A stride of {stride} leaves pixels between patches of side "
                f"{patch} that are never hidden. Choose `stride` <= `patch`."
            )
        return [
            (slice(row, row + patch), slice(column, column + patch))
            for row in _starts(size[0], patch, stride)
            for column in _starts(size[1], patch, stride)
        ]

    def _scores(self, score, image, label, windows):
        """Returns the probability with each patch hidden, in batches."""
        scores = []
        for first in range(0, len(windows), self.batch_size):
            chosen = windows[first : first + self.batch_size]
            copies = np.repeat(image[None], len(chosen), axis=0)
            for copy, window in zip(copies, chosen, strict=True):
                copy[window] = self.hidden(image)
            scores.append(score(copies, np.full(len(chosen), label)))
        return np.concatenate(scores)

    def get_config(self) -> dict[str, Any]:
        return {
            "patch": self.patch,
            "stride": self.stride,
            **super().get_config(),
        }


def _starts(length, patch, stride):
    """Returns the first positions of patches; the last ends at the border."""
    return sorted({*range(0, length - patch, stride), length - patch})
