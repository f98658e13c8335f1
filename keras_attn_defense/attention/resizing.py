"""Resizing of maps."""

from keras import ops

from ..data import image_size


def resized(maps, size):
    """Resizes maps `(batch, h, w)` to `size`, bilinearly."""
    old = tuple(maps.shape[1:])
    # Sizes that a graph does not know yet cannot be compared.
    known = all(isinstance(side, int) for side in (*old, *size))
    if known and old == tuple(size):
        return maps
    if any(ops.is_tensor(side) for side in size):
        return _resized_in_graph(maps, size)
    return ops.image.resize(
        maps[..., None],
        size,
        interpolation="bilinear",
        data_format="channels_last",
    )[..., 0]


def upsampled(maps, images):
    """Resizes maps `(batch, h, w)` to the size of `images`.

    Maps with channels, `(batch, height, width, channels)`, have it already.
    """
    if len(maps.shape) == 4:
        return maps
    return resized(maps, image_size(images))


def _resized_in_graph(maps, size):
    # `ops.image.resize` compares sizes with zero, which a graph of TensorFlow
    # cannot do. A product with one matrix for each axis is equivalent.
    rows, columns = (
        _interpolation(old, new)
        for old, new in zip(ops.shape(maps)[1:], size, strict=True)
    )
    return ops.einsum("ih,bhw,jw->bij", rows, maps, columns)


def _interpolation(old, new):
    """Returns the matrix `(new, old)` that interpolates pixel centers."""
    old_pixels, new_pixels = (
        ops.cast(ops.arange(side), "float32") for side in (old, new)
    )
    # Pixel i is a square with its center at i + 0.5. Old pixels within a
    # distance of one from a new center contribute to it; beyond the outer ones,
    # the border value goes on.
    scale = ops.cast(old, "float32") / ops.cast(new, "float32")
    position = (new_pixels + 0.5) * scale - 0.5
    position = ops.clip(position, 0.0, ops.cast(old - 1, "float32"))
    distance = ops.abs(position[:, None] - old_pixels[None, :])
    return ops.maximum(1.0 - distance, 0.0)
