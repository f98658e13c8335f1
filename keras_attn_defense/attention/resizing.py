"""Bring maps to another size."""

import keras
from keras import ops


def resized(maps, size):
    """Brings maps `(batch, h, w)` to `size`, bilinearly."""
    old = tuple(maps.shape[1:])
    # Sizes that are not known yet, of graphs, cannot be compared.
    known = all(isinstance(side, int) for side in (*old, *size))
    if known and old == tuple(size):
        return maps
    return ops.image.resize(
        maps[..., None],
        size,
        interpolation="bilinear",
        data_format="channels_last",
    )[..., 0]


def upsampled(maps, images):
    """Brings maps `(batch, h, w)` to the size of `images`."""
    return resized(maps, image_size(images))


def image_size(images):
    """`(height, width)` of images, whatever their data format."""
    if keras.config.image_data_format() == "channels_first":
        return ops.shape(images)[2:4]
    return ops.shape(images)[1:3]
