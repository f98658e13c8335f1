"""Weather: snow, frost, fog, and more light."""

import numpy as np
import scipy

from .blur import drawn_out
from .blur import pixels
from .blur import zoomed

_ICE = np.array([0.75, 0.85, 0.95])


def snow(images, severity, generator):
    """Bleaches an image, and lets flakes fall in two directions."""
    mean, spread, size, least, radius, sigma, kept = (
        (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )[severity - 1]
    scale = pixels(images)
    flakes = generator.normal(mean, spread, (*images.shape[:3], 1))
    flakes = zoomed(flakes, size * scale)
    flakes = np.where(flakes < least, 0.0, flakes.clip(0, 1))
    angles = generator.uniform(45, 135, len(images))
    flakes = drawn_out(flakes, radius * scale, sigma * scale, angles)
    gray = images.mean(axis=-1, keepdims=True)
    bleached = np.maximum(images, 1.5 * gray + 0.5)
    images = kept * images + (1 - kept) * bleached
    return images + flakes + flakes[:, ::-1, ::-1]


def frost(images, severity, generator):
    """Lays ice over an image.

    The paper's ice are six photographs. Here it is drawn: bright veins, where
    a random landscape is halfway up.
    """
    kept, ice = (
        (1.0, 0.2),
        (1.0, 0.3),
        (0.9, 0.4),
        (0.85, 0.4),
        (0.75, 0.45),
    )[severity - 1]
    veins = 1 - abs(2 * landscapes(images.shape, 1.5, generator) - 1)
    color = _ICE if images.shape[-1] == 3 else _ICE.mean()
    return kept * images + ice * veins[..., None] * color


def fog(images, severity, generator):
    """Adds a white landscape, and darkens the image to the same maximum."""
    amount, decay = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))[
        severity - 1
    ]
    highest = images.max(axis=(1, 2, 3), keepdims=True)
    mist = landscapes(images.shape, decay, generator)[..., None]
    return (images + amount * mist) * highest / (highest + amount)


def brightness(images, severity, generator):
    """Raises the value of hue, saturation and value."""
    more = (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]
    value = images.max(axis=-1, keepdims=True)
    raised = np.minimum(value + more, 1.0)
    # Black has no hue: it becomes gray.
    return np.where(
        value > 0, images * raised / np.where(value > 0, value, 1.0), raised
    )


def landscapes(shape, decay, generator):
    """Draws random landscapes from 0 to 1: hills, and hills on them.

    Args:
        shape: `(N, height, width, ...)`.
        decay: How much lower hills of half the width are.
        generator: A NumPy generator.

    Returns:
        Array `(N, height, width)`.
    """
    count, height, width = shape[:3]
    total, cells, size = np.zeros(shape[:3]), 1, 1.0
    while cells < max(height, width):
        grid = generator.uniform(-size, size, (count, cells + 1, cells + 1))
        scale = 1, (height - 1) / cells, (width - 1) / cells
        total += scipy.ndimage.affine_transform(
            grid,
            1 / np.maximum(scale, 1e-9),
            output_shape=total.shape,
            order=1,
            mode="nearest",
        )
        cells, size = 2 * cells, size / decay
    low = total.min(axis=(1, 2), keepdims=True)
    high = total.max(axis=(1, 2), keepdims=True)
    return (total - low) / np.maximum(high - low, 1e-12)
