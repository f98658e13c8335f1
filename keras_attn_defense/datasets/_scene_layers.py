"""Masks, textures and colors for painting digit scenes.

Every step is an elementwise IEEE operation or a product of small whole
numbers, so that all machines agree on every bit. Functions whose last bit
depends on the machine (`sin`, `exp`, a float `matmul`, `rng.normal`) are not
used.
"""

import numpy as np

# Interpolation weights are whole multiples of 1 / 256: with digits of 16
# levels the float32 products below stay under 2**24 and are exact.
_WEIGHT_SCALE = 256.0


def uniform(rng, low, high, shape):
    """Draws float32 numbers in `[low, high)`."""
    return low + (high - low) * rng.random(shape, dtype="float32")


def _pixel_centers(size):
    """Returns the coordinates of pixel centers along one side."""
    return np.arange(size, dtype="float32") + 0.5


def _cubic_weights(starts, lengths, size, num_knots):
    """Computes Catmull-Rom weights that stretch values over a length.

    Args:
        starts: `(N,)`, first positions of the stretched rows, in pixels.
        lengths: `(N,)`, lengths of the stretched rows, in pixels.
        size: Number of pixels of the canvas.
        num_knots: Number of values in a row before stretching.

    Returns:
        Whole numbers of shape `(N, size, num_knots)`.
    """
    # Positions of the pixels in units of knots, and distances to all knots.
    offsets = _pixel_centers(size) - starts[:, None]
    positions = offsets * (num_knots / lengths)[:, None] - 0.5
    knots = np.arange(num_knots, dtype="float32")
    t = np.abs(positions[..., None] - knots)
    # The two pieces of the cubic kernel; it is zero beyond two knots.
    near = (1.5 * t - 2.5) * t * t + 1.0
    far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    weights = np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))
    return np.rint(weights * _WEIGHT_SCALE).astype("float32")


def digit_masks(digits, tops, lefts, heights, widths, size):
    """Scales digits smoothly and places them on empty canvases.

    Args:
        digits: `(N, 8, 8)`, whole numbers in `[0, 16]`.
        tops, lefts: `(N,)`, the upper left corner in pixels.
        heights, widths: `(N,)`, the new size of the 8x8 cell in pixels.
        size: Side of the canvas in pixels.

    Returns:
        Opacities of shape `(N, size, size)` in `[0, 1]`.
    """
    rows = _cubic_weights(tops, heights, size, digits.shape[1])
    columns = _cubic_weights(lefts, widths, size, digits.shape[2])
    ink = rows @ digits @ columns.transpose(0, 2, 1)
    ink = ink / (16.0 * _WEIGHT_SCALE * _WEIGHT_SCALE)
    # Edges are made steeper than those of the scan: otherwise a digit that is
    # three times as large would be three times as blurred.
    return np.clip((ink - 0.32) / 0.36, 0.0, 1.0)


def fragment_masks(rng, digits, heights, size):
    """Makes masks of small crops of `digits`, at random places."""
    num = len(digits)
    window = np.arange(digits.shape[1])
    # A window of 4x4 pixels of the digit is kept, all else becomes empty.
    tops = rng.integers(0, 5, num)[:, None]
    lefts = rng.integers(0, 5, num)[:, None]
    keep_rows = (window >= tops) & (window < tops + 4)
    keep_columns = (window >= lefts) & (window < lefts + 4)
    crops = digits * (keep_rows[:, :, None] & keep_columns[:, None, :])
    places = uniform(rng, -0.4, 0.9, (2, num)) * size
    return digit_masks(crops, places[0], places[1], heights, heights, size)


def stroke_masks(rng, num, size):
    """Makes masks of straight strokes, 1 to 2.5 pixels thick at size 32."""
    centers = _pixel_centers(size)
    start_y, start_x = uniform(rng, 0.0, 1.0, (2, num, 1, 1)) * size
    step_y, step_x = uniform(rng, -0.6, 0.6, (2, num, 1, 1)) * size
    half_width = uniform(rng, 0.016, 0.04, (num, 1, 1)) * size
    y = centers[:, None] - start_y
    x = centers[None, :] - start_x
    # The distance of each pixel from the nearest point of the stroke, which
    # lies at the share `along` of its length.
    length = step_y * step_y + step_x * step_x + 1e-3
    along = np.clip((y * step_y + x * step_x) / length, 0.0, 1.0)
    y = y - along * step_y
    x = x - along * step_x
    return np.clip(half_width + 0.5 - np.sqrt(y * y + x * x), 0.0, 1.0)


def blob_masks(rng, num, size):
    """Makes masks of ellipses with soft edges."""
    centers = _pixel_centers(size)
    center_y, center_x = uniform(rng, 0.0, 1.0, (2, num, 1, 1)) * size
    radius_y, radius_x = uniform(rng, 0.06, 0.25, (2, num, 1, 1)) * size
    y = (centers[:, None] - center_y) / radius_y
    x = (centers[None, :] - center_x) / radius_x
    return np.clip((1.25 - (y * y + x * x)) * 2.0, 0.0, 1.0)


def _smooth_noise(rng, num, grid, size):
    """Interpolates random values on a coarse grid linearly."""
    values = uniform(rng, -1.0, 1.0, (num, grid, grid, 3))
    positions = _pixel_centers(size) * ((grid - 1) / size)
    low = np.minimum(positions.astype("int64"), grid - 2)
    rest = (positions - low).astype("float32")
    # First between rows of the grid, then between columns.
    weight = rest[:, None, None]
    rows = values[:, low] * (1.0 - weight) + values[:, low + 1] * weight
    weight = rest[:, None]
    left, right = rows[:, :, low], rows[:, :, low + 1]
    return left * (1.0 - weight) + right * weight


def _stripes(rng, num, size):
    """Makes triangle waves in random directions, `(N, size, size, 1)`."""
    centers = _pixel_centers(size) / size
    waves = uniform(rng, -6.0, 6.0, (2, num, 1, 1))
    phase = centers[:, None] * waves[0] + centers[None, :] * waves[1]
    return (4.0 * np.abs(phase - np.floor(phase) - 0.5) - 1.0)[..., None]


def textures(rng, num, size):
    """Mixes gradients, patches, stripes and grain.

    Returns:
        Array of shape `(N, size, size, 3)` in `[-1, 1]`.
    """
    shares = uniform(rng, 0.2, 1.0, (4, num, 1, 1, 1))
    # Only a third of the scenes have stripes, for more variety.
    shares[2] *= rng.random((num, 1, 1, 1), dtype="float32") < 0.33
    shares[3] *= 0.4
    mix = shares[0] * _smooth_noise(rng, num, 2, size)
    mix += shares[1] * _smooth_noise(rng, num, 5, size)
    mix += shares[2] * _stripes(rng, num, size)
    mix += shares[3] * uniform(rng, -1.0, 1.0, mix.shape)
    return mix / (shares[0] + shares[1] + shares[2] + shares[3])


def colors(rng, brightness):
    """Draws random hues, as vivid as the mean of the channels allows.

    Args:
        brightness: `(N,)` in `(0, 1)`, the mean of the three channels.

    Returns:
        Array of shape `(N, 3)` in `[0, 1]`.
    """
    hues = uniform(rng, 0.0, 1.0, (len(brightness), 3))
    # Written out, as `mean` may add in another order on another machine.
    hues -= ((hues[:, 0] + hues[:, 1] + hues[:, 2]) / 3.0)[:, None]
    brightness = brightness[:, None]
    # Scale each hue until its first channel reaches 0 or 1, at most once.
    room = np.where(hues > 0.0, 1.0 - brightness, brightness)
    reach = (room / np.maximum(np.abs(hues), 1e-3)).min(axis=1, keepdims=True)
    return brightness + hues * np.minimum(reach, 1.0)
