"""Masks that hide the attention area of images."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._arguments import plain_errors
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import full_precision
from ..data import along_channels
from ..data import channel_axis
from ..data import check_value_range
from .black_box_method import check_fill
from .resizing import upsampled

# A range of values that is smaller, relative to them, is due to rounding.
_ROUNDING = 1e-6
_THRESHOLDS = ("mean", "maximum", "quantile", "area")


@register
class AttentionMask(keras.layers.Layer):
    """Hides the attention area: `x * (1 - Att) + fill * Att`.

    The attention area of a map `g` is `Att = g > kappa`. A hard mask lets no
    gradient through to the map; a soft one does.

    Args:
        threshold: How `kappa` is chosen for each map: `"mean"`, the map's own
            mean (as in the authors' code); `"maximum"`, the share `level` of
            its maximum; `"quantile"`, its quantile `level`; `"area"`, so that
            the share `level` of all positions is above it.
        level: A number from 0 to 1 for the thresholds that need one; None
            means 0.2 of the maximum, quantile 0.8, or an area of 0.2.
        mode: `"hard"`, or `"soft"`: `sigmoid(sharpness * (g - kappa) /
            max(g))`.
        sharpness: Slope of the soft mask.
        fill: Value of the hidden pixels, a number or one for each channel;
            None means mid-gray, the middle of `value_range`.
        value_range: `(lower, upper)` bounds of the images.
        place: `"attention"`, or `"random"`: the area keeps its shape but is
            moved to a random place, across the borders. Such a mask is a
            control: an effect that it has too is not due to the attention.
        seed: Whole number that seeds the places, or None.
        name: Name of the layer.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    masked = kad.attention.AttentionMask(threshold="mean")(x, maps)
    assert masked.shape == x.shape
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843);
        the soft mask is that of
        [Li et al., 2018](https://arxiv.org/abs/1802.10171), equation 4.
    """

    def __init__(
        self,
        threshold: str = "mean",
        level: float | None = None,
        *,
        mode: str = "hard",
        sharpness: float = 10.0,
        fill: float | Sequence[float] | None = None,
        value_range: ValueRange = (0.0, 1.0),
        place: str = "attention",
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        if place not in ("attention", "random"):
            raise ValueError(
                "`place` should be 'attention' or 'random'. Received: "
                f"place={place!r}"
            )
        if not isinstance(threshold, str) or threshold not in _THRESHOLDS:
            raise ValueError(
                f"`threshold` should be one of {_THRESHOLDS}; a number belongs "
                "to `level`, as in AttentionMask('maximum', 0.5). Received: "
                f"threshold={threshold!r}"
            )
        if mode not in ("hard", "soft"):
            raise ValueError(
                f"`mode` should be 'hard' or 'soft'. Received: mode={mode!r}"
            )
        if level is not None:
            level = check_number("level", level, 0.0, 1.0)
            if threshold == "mean":
                raise ValueError(
                    "The threshold 'mean' is the mean of a map and has no "
                    "level. Leave `level` out, or pass threshold='maximum', "
                    f"'quantile' or 'area'. Received: level={level}"
                )
        self.threshold = threshold
        self.level = level
        self.mode = mode
        self.sharpness = check_number("sharpness", sharpness)
        self.fill = check_fill(fill)
        self.value_range = check_value_range(value_range)
        self.place = place
        self.seed = None if seed is None else check_count("seed", seed, None)
        if place == "random":  # Otherwise it has no variable to save.
            self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.built = True

    def __call__(self, x: Tensor, maps: Tensor) -> Tensor:
        with plain_errors():
            return super().__call__(x, maps)

    def call(self, x: Tensor, maps: Tensor) -> Tensor:
        """Hides the attention area of images.

        Args:
            x: `(batch, height, width, channels)`.
            maps: Attention maps `(batch, h, w)` of any size.

        Returns:
            Masked images, of the shape of `x`.
        """
        if len(maps.shape) != 3:
            raise ValueError(
                "Maps should have the shape (batch, height, width). Received "
                f"maps of shape {tuple(maps.shape)}."
            )
        x = full_precision(ops.convert_to_tensor(x))
        area = ops.cast(self.area(upsampled(maps, x)), x.dtype)
        if self.place == "random":
            area = self._moved(area)
        area = ops.expand_dims(area, channel_axis())
        fill = sum(self.value_range) / 2 if self.fill is None else self.fill
        if isinstance(fill, tuple):
            fill = ops.convert_to_tensor(along_channels(fill), x.dtype)
        return x * (1.0 - area) + fill * area

    def _moved(self, area):
        """Moves the area of each image to a random place."""
        shape = ops.shape(area)
        for axis in (1, 2):
            size = shape[axis]
            share = keras.random.uniform(
                (shape[0], 1), seed=self.seed_generator
            )
            offset = ops.cast(share * ops.cast(size, "float32"), "int32")
            # Each image has an offset of its own, which `roll` cannot take. The
            # remainder brings what leaves at one border back in at the other.
            index = (ops.arange(size, dtype="int32")[None] + offset) % size
            # `(batch, size)` gets the other axis: `(batch, size, 1)` for rows,
            # `(batch, 1, size)` for columns.
            index = ops.expand_dims(index, 3 - axis)
            index = ops.broadcast_to(index, shape)
            area = ops.take_along_axis(area, index, axis=axis)
        return area

    def area(self, maps: Tensor) -> Tensor:
        """Computes the attention area of maps `(batch, h, w)`.

        Args:
            maps: Attention maps `(batch, h, w)`.

        Returns:
            Values of the shape of `maps`: 0 or 1 in the mode `"hard"`, from
            0 to 1 in the mode `"soft"`.
        """
        kappa = self._kappa(maps)
        if self.mode == "soft":
            # Relative to the map's size, so that `sharpness` means the same
            # for maps of any scale.
            top = ops.max(ops.abs(maps), axis=(1, 2), keepdims=True)
            distance = ops.divide_no_nan(maps - kappa, top)
            return ops.sigmoid(self.sharpness * distance)
        above = maps > kappa
        if self.threshold in ("mean", "quantile"):
            # The mean of equal values may come out a little below them, which
            # would put all of a constant map into the area.
            above = above & _varies(maps)
        return ops.stop_gradient(ops.cast(above, maps.dtype))

    def _kappa(self, maps):
        """Returns the threshold of each map, `(batch, 1, 1)`."""
        if self.threshold == "mean":
            return ops.mean(maps, axis=(1, 2), keepdims=True)
        level = self.level
        if self.threshold == "maximum":
            level = 0.2 if level is None else level
            return level * ops.max(maps, axis=(1, 2), keepdims=True)
        if self.threshold == "quantile":
            level = 0.8 if level is None else level
            return ops.quantile(maps, level, axis=(1, 2), keepdims=True)
        return self._area_kappa(maps, 0.2 if level is None else level)

    def _area_kappa(self, maps, share):
        """Returns the thresholds that leave `share` of each map above them."""
        shape = ops.shape(maps)
        count = shape[1] * shape[2]
        ordered = ops.sort(ops.reshape(maps, (shape[0], -1)), axis=-1)
        # The threshold is the highest value that does not belong to the area.
        if isinstance(count, int):
            index = count - 1 - round(share * count)
        else:
            # The size is a tensor of the graph, not known yet.
            kept = ops.round(share * ops.cast(count, "float32"))
            index = count - 1 - ops.cast(kept, count.dtype)
        # An area of the whole map has index -1: put a value below all others
        # in front, and count from there.
        lowest = ordered[:, :1] - 1.0
        padded = ops.concatenate([lowest, ordered], axis=-1)
        return ops.take(padded, index + 1, axis=-1)[:, None, None]

    def get_config(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "level": self.level,
            "mode": self.mode,
            "sharpness": self.sharpness,
            "fill": self.fill,
            "value_range": self.value_range,
            "place": self.place,
            "seed": self.seed,
            "name": self.name,
        }


def _varies(maps):
    """Tells which maps are not constant up to rounding, `(batch, 1, 1)`."""
    highest = ops.max(maps, axis=(1, 2), keepdims=True)
    lowest = ops.min(maps, axis=(1, 2), keepdims=True)
    size = ops.maximum(ops.abs(highest), ops.abs(lowest))
    return highest - lowest > _ROUNDING * size


def intersection_over_union(areas: Tensor, others: Tensor) -> Tensor:
    """Computes the intersection over union of binary areas, per image.

    Args:
        areas: `(batch, h, w)` of zeros and ones.
        others: Areas of the same shape.

    Returns:
        `(batch,)` from 0 to 1; two empty areas have 1.

    Example:

    ```python
    first = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    second = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    iou = kad.attention.intersection_over_union(first, second)
    np.testing.assert_allclose(iou, [0.5])
    ```
    """
    # For values of 0 and 1, minimum and maximum are intersection and union.
    both = ops.sum(ops.minimum(areas, others), axis=(1, 2))
    either = ops.sum(ops.maximum(areas, others), axis=(1, 2))
    return ops.where(either > 0, ops.divide_no_nan(both, either), 1.0)
