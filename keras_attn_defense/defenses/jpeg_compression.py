"""JPEG as a layer: what is lost between an image and its decoded file.

    bytes = round(images to 0..255)
    y, cb, cr = colors(bytes);  cb, cr = means of 2x2
    for blocks of 8x8 of each:
        waves = dct(block - 128);  waves = round(waves / table) * table
        block = idct(waves) + 128
    images = colors back(y, upsampled cb, cr)

Each stage is rounded to whole numbers and kept within 0..255, as in a decoder.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._arguments import check_counts
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import HowToAttack
from ..data import from_channels_last
from ..data import to_channels_last
from .defense_layer import DefenseLayer
from .defense_layer import identity

# Annex K of the standard (ITU-T T.81), tables K.1 and K.2.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMINANCE = np.full((8, 8), 99)
_CHROMINANCE[:4, :4] = [
    [17, 18, 24, 47],
    [18, 21, 26, 66],
    [24, 26, 56, 99],
    [47, 66, 99, 99],
]
_TABLES = (_LUMINANCE, _CHROMINANCE)
# Of JFIF: rows for y, cb, cr; the last two are shifted by 128.
_COLORS = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ]
)
_SHIFT = np.array([0.0, 128.0, 128.0])


@register
class JPEGCompression(DefenseLayer):
    """Compresses images as JPEG files and decodes them.

    The result is that of an encoder and decoder (Pillow's libjpeg-turbo) but
    for rounding; no file is written, and it runs wherever Keras does.

    - **Claimed.** Compression removes what the eye does not see, and
      adversarial perturbations with it.
    - **Broken.** The steps are rounded, so gradients are zero and plain
      attacks fail; attacks that pass the rounding leave nothing
      ([Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 5.2;
      [Shin and Song, 2017](https://machine-learning-and-security.github.io/papers/mlsec17_paper_54.pdf)).
      So this layer is attacked: as JPEG without rounding.

    Args:
        quality: From 1 to 100, the quality of the file as in Pillow; 75 in
            the paper. A pair `(lowest, highest)` draws that of each image.
        subsampling: `"4:2:0"`, colors at half the resolution as most encoders
            have them, or `"4:4:4"`, at the whole.
        draws: Number of draws over which attacks average, with a pair.
        seed: Integer seed of the draws.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    jpeg = kad.defenses.JPEGCompression(quality=75)
    compressed = jpeg(x)
    defended = kad.defenses.defend(model, jpeg)
    ```

    Reference:
        [Guo et al., 2018](https://arxiv.org/abs/1711.00117), section 3;
        [Dziugaite et al., 2016](https://arxiv.org/abs/1608.00853).
    """

    def __init__(
        self,
        quality: int | tuple[int, int] = 75,
        subsampling: str = "4:2:0",
        draws: int = 10,
        seed: int | None = None,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.quality = _checked(quality)
        if subsampling not in ("4:2:0", "4:4:4"):
            raise ValueError(
                "`subsampling` should be '4:2:0' or '4:4:4'. Received: "
                f"subsampling={subsampling!r}"
            )
        self.subsampling = subsampling
        self.draws = check_count("draws", draws)
        self.seed = seed
        self.seed_generator = None
        if isinstance(self.quality, tuple):
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor) -> Tensor:
        """Compresses and decodes images `(batch, height, width, channels)`.

        They have one channel or three, and sides of known length.
        """
        return self._coded(images, _as_byte, ops.round)

    def how_to_attack(self) -> HowToAttack:
        """Returns as a substitute the same without rounding."""

        def unrounded(images):
            return self._coded(images, identity, identity)

        is_random = self.seed_generator is not None
        return HowToAttack(unrounded, draws=self.draws if is_random else 1)

    def _coded(self, images, as_byte, rounded):
        """Runs the encoder and the decoder.

        Args:
            images: The images.
            as_byte: Rounds a tensor to the levels of a byte.
            rounded: Rounds a tensor to whole numbers.
        """
        images = to_channels_last(images)
        lower, upper = self.value_range
        x = as_byte((images - lower) * (255.0 / (upper - lower)))
        tables = self._tables(ops.shape(images)[0])
        channels = x.shape[-1]
        if channels == 1:
            x = self._plane(x[..., 0], tables[0], as_byte, rounded)[..., None]
        elif channels == 3:
            x = self._planes(x, tables, as_byte, rounded)
        else:
            raise ValueError(
                "JPEG is for images of one channel or three. Received images "
                f"of shape {tuple(images.shape)}."
            )
        x = x * ((upper - lower) / 255.0) + lower
        return from_channels_last(x)

    def _tables(self, count):
        """Tables of luminance and chrominance; of each image, if random."""
        if self.seed_generator is None:
            return [_tensor(_scaled(t, self.quality)) for t in _TABLES]
        lowest, highest = self.quality
        number = keras.random.randint(
            (count,), 0, highest - lowest + 1, seed=self.seed_generator
        )
        known = range(lowest, highest + 1)
        return [
            ops.take(
                _tensor(np.stack([_scaled(table, q) for q in known])),
                number,
                axis=0,
            )[:, None, None]
            for table in _TABLES
        ]

    def _planes(self, x, tables, as_byte, rounded):
        height, width = x.shape[1:3]
        halved = self.subsampling == "4:2:0"
        colors = as_byte(_mixed(x, _COLORS) + _tensor(_SHIFT))
        y = self._plane(colors[..., 0], tables[0], as_byte, rounded)
        others = []
        for number in (1, 2):
            plane = colors[..., number]
            if halved:
                plane = as_byte(_mean_of_four(plane))
            plane = self._plane(plane, tables[1], as_byte, rounded)
            if halved:
                plane = _doubled(plane[:, :, : (width + 1) // 2])
                plane = as_byte(plane)[:, :height, :width]
            others.append(plane)
        planes = ops.stack([y, *others], axis=-1) - _tensor(_SHIFT)
        return as_byte(_mixed(planes, np.linalg.inv(_COLORS)))

    def _plane(self, plane, table, as_byte, rounded):
        """Codes one plane `(batch, height, width)`, from 0 to 255."""
        height, width = plane.shape[1:]
        plane = _padded(_padded(plane, 8, 1), 8, 2)
        rows, columns = plane.shape[1] // 8, plane.shape[2] // 8
        blocks = ops.reshape(plane - 128.0, (-1, rows, 8, columns, 8))
        blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
        basis = _tensor(_waves())
        waves = ops.matmul(ops.matmul(basis, blocks), ops.transpose(basis))
        waves = rounded(waves / table) * table
        blocks = ops.matmul(ops.matmul(ops.transpose(basis), waves), basis)
        blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
        plane = ops.reshape(blocks, (-1, 8 * rows, 8 * columns))
        return as_byte(plane[:, :height, :width] + 128.0)

    def get_config(self) -> dict[str, Any]:
        return {
            "quality": self.quality,
            "subsampling": self.subsampling,
            "draws": self.draws,
            "seed": self.seed,
            **super().get_config(),
        }


def _checked(quality):
    """Returns one quality, or the lowest and the highest."""
    pair = isinstance(quality, (list, tuple))
    found = (
        check_counts("quality", quality, ("lowest", "highest"))
        if pair
        else (check_count("quality", quality),)
    )
    if found[-1] > 100 or found[0] > found[-1]:
        raise ValueError(
            "`quality` should be from 1 to 100, or such a pair in ascending "
            f"order. Received: quality={quality}"
        )
    return found if pair else found[0]


def _as_byte(x):
    return ops.clip(ops.round(x), 0.0, 255.0)


def _tensor(array):
    return ops.convert_to_tensor(array, dtype="float32")


def _scaled(table, quality):
    """Scales a table as libjpeg does, by the quality of the file."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((table * scale + 50) // 100, 1, 255)


def _waves():
    """The orthonormal DCT of eight values, a matrix."""
    number = np.arange(8)
    waves = np.cos((2 * number[None] + 1) * number[:, None] * np.pi / 16) / 2
    waves[0] /= np.sqrt(2)
    return waves


def _mixed(x, matrix):
    """Mixes the channels of images, by a row for each new one."""
    return ops.matmul(x, _tensor(matrix.T))


def _padded(plane, multiple, axis):
    """Repeats the last row or column up to a multiple of a length."""
    length = plane.shape[axis]
    if length is None:
        raise ValueError(
            "JPEG needs images of known height and width. Received planes "
            f"of shape {tuple(plane.shape)}: build the model for one size."
        )
    whole = -(-length // multiple) * multiple
    if whole == length:
        return plane
    places = np.minimum(np.arange(whole), length - 1)
    return ops.take(plane, places, axis=axis)


def _mean_of_four(plane):
    """Halves height and width, before the result is rounded."""
    # Rows are padded afterwards, columns here: so does libjpeg.
    plane = _padded(_padded(plane, 2, 1), 16, 2)
    rows, columns = plane.shape[1] // 2, plane.shape[2] // 2
    plane = ops.reshape(plane, (-1, rows, 2, columns, 2))
    # As in libjpeg, halves and quarters go down in one column, up in the next.
    shift = np.where(np.arange(columns) % 2 == 0, -0.2, 0.05)
    return ops.mean(plane, axis=(2, 4)) + _tensor(shift)


def _doubled(plane):
    """Doubles height and width, three parts near and one part far."""
    for axis in (1, 2):
        length = plane.shape[axis]
        place = np.arange(length)
        before = ops.take(plane, np.maximum(place - 1, 0), axis=axis)
        after = ops.take(plane, np.minimum(place + 1, length - 1), axis=axis)
        pairs = ops.stack(
            [0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after],
            axis=axis + 1,
        )
        shape = list(plane.shape)
        shape[0], shape[axis] = -1, 2 * length
        plane = ops.reshape(pairs, shape)
    return plane
