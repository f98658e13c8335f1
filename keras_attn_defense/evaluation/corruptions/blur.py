"""Blur: out of focus, through glass, in motion, while zooming."""

import numpy as np
import scipy

_STEP = 0.01


def pixels(images):
    """Returns how much longer lengths are than in images of 32 pixels."""
    return max(min(images.shape[1:3]) / 32, 1.0)


def defocus_blur(images, severity, generator):
    """Blurs with a disk, whose edge is smooth."""
    radius, smooth = (
        (0.3, 0.4),
        (0.4, 0.5),
        (0.5, 0.6),
        (1.0, 0.2),
        (1.5, 0.1),
    )[severity - 1]
    radius, smooth = radius * pixels(images), smooth * pixels(images)
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (x**2 + y**2 <= radius**2).astype("float64")
    disk = scipy.ndimage.gaussian_filter(disk, smooth, radius=1)
    disk /= disk.sum()
    return scipy.ndimage.convolve(images, disk[None, :, :, None], mode="mirror")


def glass_blur(images, severity, generator):
    """Takes each pixel from a place close by, between two slight blurs."""
    sigma, reach, rounds = (
        (0.05, 1, 1),
        (0.25, 1, 1),
        (0.4, 1, 1),
        (0.25, 1, 2),
        (0.4, 1, 2),
    )[severity - 1]
    sigma, reach = sigma * pixels(images), round(reach * pixels(images))
    mixed = _smoothed(images, sigma)
    count, height, width, _ = images.shape
    number, *places = np.mgrid[:count, :height, :width]
    for _ in range(rounds):
        moves = generator.integers(-reach, reach, (2, count, height, width))
        y, x = (
            np.clip(place + move, 0, size - 1)
            for place, move, size in zip(
                places, moves, (height, width), strict=True
            )
        )
        mixed = mixed[number, y, x]
    return _smoothed(mixed, sigma)


def motion_blur(images, severity, generator):
    """Draws each pixel out along a line of up to 45 degrees."""
    radius, sigma = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))[severity - 1]
    angles = generator.uniform(-45, 45, len(images))
    scale = pixels(images)
    return drawn_out(images, radius * scale, sigma * scale, angles)


def drawn_out(images, radius, sigma, angles):
    """Averages each image over steps in one direction.

    Args:
        images: Images `(N, height, width, channels)`.
        radius: The number of pixels on either side of a normal curve of
            weights; the half of it that trails behind is used.
        sigma: Its standard deviation in pixels.
        angles: Degrees, `(N,)`.
    """
    steps = np.arange(2 * int(radius) + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    height, width = images.shape[1:3]
    blurred = np.zeros(images.shape)
    for image, result, angle in zip(
        images, blurred, np.deg2rad(angles), strict=True
    ):
        for step, weight in zip(steps, weights, strict=True):
            y = np.arange(height) + round(step * np.sin(angle))
            x = np.arange(width) + round(step * np.cos(angle))
            y, x = y.clip(0, height - 1), x.clip(0, width - 1)
            result += weight * image[y[:, None], x]
    return blurred


def zoom_blur(images, severity, generator):
    """Averages an image with larger ones around its center."""
    largest = (0.05, 0.10, 0.15, 0.20, 0.25)[severity - 1]
    factors = 1 + _STEP * np.arange(round(largest / _STEP) + 1)
    total = sum((zoomed(images, factor) for factor in factors), images)
    return total / (len(factors) + 1)


def zoomed(images, factor):
    """Enlarges images around their center, at the same size."""
    scale = np.array([1, 1 / factor, 1 / factor, 1])
    center = (np.array(images.shape) - 1) / 2
    return scipy.ndimage.affine_transform(
        images, scale, center * (1 - scale), order=1, mode="nearest"
    )


def _smoothed(images, sigma):
    return scipy.ndimage.gaussian_filter(
        images, (0, sigma, sigma, 0), mode="nearest"
    )
