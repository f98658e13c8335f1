"""Wavelets with small coefficients removed, and details drawn in anew.

images = wavelets back(soft threshold(wavelets of images))
images = halved(enhanced(images))    # a network doubles both sides
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from .networks import enhancer
from .purifier import Purifier


@register
class SuperResolution(Purifier):
    """Removes noise by a wavelet threshold, and adds detail by EDSR.

    The network learns to double the sides of clean images. What it draws is
    like clean images, whatever it is given.

    - **Claimed.** Brings adversarial images back to where natural ones are; an
      attack does not know of the defense.
    - **Broken.** There is no published number. All of it can be
      differentiated, and this is how attacks see it here.

    Args:
        sigma: Standard deviation of the noise that wavelets remove, for values
            from 0 to 1. Zero removes none.
        levels: Number of levels of the wavelets.
        filters: Channels inside of the network.
        blocks: Number of its residual blocks.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    enhancing = kad.defenses.SuperResolution(filters=4, blocks=1)
    enhancing.learn(x, epochs=1)
    defended = kad.defenses.defend(model, enhancing)
    ```

    Reference:
        [Mustafa et al., 2020](https://arxiv.org/abs/1901.01677), section III:
        Haar wavelets with the threshold of BayesShrink, and a small EDSR; the
        result is scaled back to the size that the classifier takes.
    """

    def __init__(
        self,
        sigma: float = 0.04,
        levels: int = 2,
        filters: int = 32,
        blocks: int = 4,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.sigma = check_number("sigma", sigma)
        self.levels = check_count("levels", levels)
        self.filters = check_count("filters", filters)
        self.blocks = check_count("blocks", blocks)

    def make_network(self, shape: tuple[int | None, ...]) -> keras.Model:
        return enhancer(shape[2], self.filters, self.blocks)

    def clean(self, x: Tensor, training: bool = False) -> Tensor:
        if self.sigma:
            x = shrunk(x, self.sigma, self.levels)
        return _halved(self.enhanced(x, training))

    def enhanced(self, x: Tensor, training: bool = False) -> Tensor:
        """Doubles the sides of images with values from 0 to 1."""
        large = ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2)
        return large + self.network(x, training=training)

    def learn(
        self,
        x: Tensor,
        epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        verbose: int = 0,
    ) -> dict[str, list[float]]:
        """Trains the network to restore clean images from half their sides.

        Args:
            x: Clean images `(num, height, width, channels)`, of even sides.
            epochs: Number of epochs.
            batch_size: Images in one step.
            learning_rate: That of Adam at first; it falls to zero.
            verbose: As in `keras.Model.fit`.

        Returns:
            The history of the loss.
        """
        images = self.unit_images(x)
        height, width = images.shape[1:3]
        images = images[:, : height - height % 2, : width - width % 2]
        return self.fitted(
            _Doubled(self),
            np.asarray(ops.convert_to_numpy(_halved(images))),
            images,
            "mean_absolute_error",
            epochs,
            batch_size,
            learning_rate,
            verbose,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "sigma": self.sigma,
            "levels": self.levels,
            "filters": self.filters,
            "blocks": self.blocks,
            **super().get_config(),
        }


class _Doubled(keras.Model):
    """Images at twice their sides.

    Args:
        purifier: The `SuperResolution`.
    """

    def __init__(self, purifier):
        super().__init__(name="trainer")
        self.purifier = purifier

    def call(self, x, training=False):
        return self.purifier.enhanced(x, training)


def shrunk(x, sigma, levels):
    """Images without the small coefficients of their Haar wavelets.

    Each band is brought towards zero by `sigma ** 2 / s`, where `s` is the
    standard deviation of its coefficients without the noise (BayesShrink).

    Args:
        x: Images `(batch, height, width, channels)`.
        sigma: Standard deviation of the noise.
        levels: Number of levels.
    """
    if not levels or min(x.shape[1:3]) < 2:
        return x
    height, width = x.shape[1:3]
    # The last row and column of odd sides stay as they are.
    even = x[:, : height - height % 2, : width - width % 2]
    a, b = even[:, ::2, ::2], even[:, ::2, 1::2]
    c, d = even[:, 1::2, ::2], even[:, 1::2, 1::2]
    mean = (a + b + c + d) / 2.0
    mean = shrunk(mean, sigma, levels - 1)
    p, q, r = (
        _softened(band / 2.0, sigma)
        for band in (a + b - c - d, a - b + c - d, a - b - c + d)
    )
    top = _alternated((mean + p + q + r) / 2.0, (mean + p - q - r) / 2.0, 2)
    bottom = _alternated((mean - p + q - r) / 2.0, (mean - p - q + r) / 2.0, 2)
    even = _alternated(top, bottom, 1)
    if width % 2:
        last = x[:, : height - height % 2, -1:]
        even = ops.concatenate([even, last], axis=2)
    return ops.concatenate([even, x[:, -1:]], axis=1) if height % 2 else even


def _softened(band, sigma):
    power = ops.mean(ops.square(band), axis=(1, 2), keepdims=True)
    signal = ops.sqrt(ops.maximum(power - sigma**2, 1e-12))
    threshold = sigma**2 / signal
    return ops.sign(band) * ops.relu(ops.abs(band) - threshold)


def _alternated(first, second, axis):
    """Rows or columns of two images in turn."""
    shape = list(first.shape)
    shape[0], shape[axis] = -1, 2 * shape[axis]
    return ops.reshape(ops.stack([first, second], axis=axis + 1), shape)


def _halved(x):
    """Means of squares of four pixels."""
    shape = x.shape
    x = ops.reshape(x, (-1, shape[1] // 2, 2, shape[2] // 2, 2, shape[3]))
    return ops.mean(x, axis=(2, 4))
