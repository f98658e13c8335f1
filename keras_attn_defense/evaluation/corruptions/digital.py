"""What is done to files: contrast, stretching, large pixels, JPEG."""

import numpy as np
import scipy
from keras import ops

from ...data import from_channels_last
from ...data import to_channels_last
from ...defenses import JPEGCompression


def contrast(images, severity, generator):
    """Brings values closer to the mean of each channel."""
    kept = (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1]
    means = images.mean(axis=(1, 2), keepdims=True)
    return means + kept * (images - means)


def elastic_transform(images, severity, generator):
    """Moves three points, and each pixel a little with its neighbors."""
    length, smooth, affine = (
        (0.0, 0.0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    )[severity - 1]
    height, width = images.shape[1:3]
    side = min(height, width)
    center, third = np.array([height // 2, width // 2]), side // 3
    corners = center + third * np.array([[1, 1], [1, -1], [-1, -1]])
    grid = np.mgrid[:height, :width].astype("float64")
    moved = np.empty(images.shape)
    for image, result in zip(images, moved, strict=True):
        shifted = corners + generator.uniform(-affine, affine, (3, 2)) * side
        shifts = generator.uniform(-1, 1, (2, height, width))
        shifts = (
            length
            * side
            * scipy.ndimage.gaussian_filter(
                shifts, (0, smooth * side, smooth * side), truncate=3
            )
        )
        # From each place in the result to where it was: corners come from
        # where they were before they moved.
        matrix = np.linalg.solve(np.c_[shifted, np.ones(3)], corners)
        places = np.tensordot(matrix[:2].T, grid + shifts, axes=1)
        places += matrix[2][:, None, None]
        for channel in range(image.shape[-1]):
            result[..., channel] = scipy.ndimage.map_coordinates(
                image[..., channel], places, order=1, mode="mirror"
            )
    return moved


def pixelate(images, severity, generator):
    """Makes an image smaller, by means, and large again, by repetition."""
    share = (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1]
    for axis in (1, 2):
        size = images.shape[axis]
        small = max(int(size * share), 1)
        means = np.tensordot(
            _overlaps(small, size), np.moveaxis(images, axis, 0), axes=1
        )
        nearest = ((np.arange(size) + 0.5) * small / size).astype(int)
        images = np.moveaxis(means[nearest], 0, axis)
    return images


def jpeg_compression(images, severity, generator):
    """Compresses as a JPEG file of low quality."""
    quality = (80, 65, 58, 50, 40)[severity - 1]
    layer = JPEGCompression(quality)
    # Layers find channels where Keras has them.
    files = layer(from_channels_last(images.astype("float32")))
    return to_channels_last(ops.convert_to_numpy(files))


def _overlaps(small, size):
    """Returns the weights of source pixels, whose centers count, in each."""
    scale = size / small
    centers = scale * (np.arange(small)[:, None] + 0.5)
    places = (np.arange(size) + 0.5 - centers) / scale
    inside = (places > -0.5) & (places <= 0.5)
    return inside / inside.sum(axis=1, keepdims=True)
