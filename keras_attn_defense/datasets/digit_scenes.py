"""Scenes of real handwritten digits on cluttered, colored backgrounds."""

import numpy as np

from .._arguments import check_count
from .._arguments import check_number
from . import _scene_layers as painting
from .image_split import ImageSplit

# Scenes are painted a few at a time, to keep the canvases in cache.
_CHUNK = 128
_MIN_IMAGE_SIZE = 16
_CLUTTER = "the contrast of the clutter as a share of the digit's"


def load_digit_scenes(
    num_train: int = 4000,
    num_test: int = 1000,
    *,
    image_size: int = 32,
    clutter: float = 0.6,
    seed: int = 0,
) -> tuple[ImageSplit, ImageSplit]:
    """Makes scenes of one handwritten digit each, without any download.

    Each scene contains one digit of the UCI set in scikit-learn (1797
    images of 8x8 pixels), scaled smoothly to 0.44 to 0.75 of the image,
    colored brightly and placed at random. Around and behind it there are a
    colored texture, strokes, blobs and fragments of other digits; none of
    them covers the digit. The box is tight around the digit's ink.

    One fifth of the digits of each class is kept for the test scenes,
    independently of the seed, so that no test digit (nor a fragment of it)
    is ever seen in training. Classes are balanced to within one scene. The
    same arguments give the same bytes on every machine, and the images have
    the 256 levels of an 8-bit image.

    The digit is brighter than the base of its scene by 0.35 to 0.5 in the
    mean of the channels, and the clutter by at most `clutter` times that.
    With the default of 0.6 the two are 0.4 apart on average, and at least
    0.14 (36/255): a perturbation of 8/255 cannot hide a digit.

    Args:
        num_train: Number of training scenes, at least 1.
        num_test: Number of test scenes, at least 1.
        image_size: Side of the square images in pixels, at least 16.
        clutter: Contrast of textures and clutter as a share of the digit's
            contrast, in `[0, 1]`. `0` leaves a plain background.
        seed: Non-negative integer. The training scenes do not depend on
            `num_test`, nor the test scenes on `num_train`.

    Returns:
        `(train, test)`, two `ImageSplit`s with images of shape
        `(N, image_size, image_size, 3)`, labels 0 to 9, and boxes.

    Raises:
        ValueError: If an argument is out of its range.
        ImportError: If scikit-learn is not installed.

    Example:

    ```python
    train, test = kad.datasets.load_digit_scenes(seed=1)
    train.images.shape  # (4000, 32, 32, 3)
    ```

    Reference:

    - Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits",
      UCI Machine Learning Repository, 1998.
    """
    num_train = check_count("num_train", num_train)
    num_test = check_count("num_test", num_test)
    size = check_count("image_size", image_size, _MIN_IMAGE_SIZE)
    seed = check_count("seed", seed, 0)
    clutter = check_number("clutter", clutter, 0.0, 1.0, unit=_CLUTTER)
    train_digits, test_digits = load_digit_sources()
    # Two streams of random numbers, so that the size of one split does not
    # change the other.
    train_rng = np.random.Generator(np.random.PCG64([seed, 0]))
    test_rng = np.random.Generator(np.random.PCG64([seed, 1]))
    train = _make_split(train_rng, train_digits, num_train, size, clutter)
    test = _make_split(test_rng, test_digits, num_test, size, clutter)
    return train, test


def _make_split(rng, digits_by_class, num, size, clutter):
    """Makes the scenes of one split, in random order."""
    labels = rng.permutation(np.arange(num) % 10).astype("int32")
    digits = _deal_digits(rng, digits_by_class, labels)
    pool = np.concatenate(digits_by_class)
    images = np.empty((num, size, size, 3), dtype="float32")
    boxes = np.empty((num, 4), dtype="float32")
    for start in range(0, num, _CHUNK):
        part = slice(start, start + _CHUNK)
        images[part], boxes[part] = _paint_scenes(
            rng, digits[part], pool, size, clutter
        )
    return ImageSplit(images, labels, boxes)


def _deal_digits(rng, digits_by_class, labels):
    """Deals each class's digits in turn, so that all are used equally."""
    digits = np.empty((len(labels), 8, 8), dtype="float32")
    for label, members in enumerate(digits_by_class):
        places = np.flatnonzero(labels == label)
        order = rng.permutation(len(members))
        turns = np.arange(len(places)) % len(members)
        digits[places] = members[order[turns]]
    return digits


def _paint_scenes(rng, digits, pool, size, clutter):
    """Paints one scene around each digit, from back to front."""
    num = len(digits)
    # The background: one color for each scene, with a texture.
    base = painting.uniform(rng, 0.15, 0.42, num)
    contrast = painting.uniform(rng, 0.35, 0.5, num)
    heights = painting.uniform(rng, 0.44, 0.75, num) * size
    flat = painting.colors(rng, base)
    canvas = _paint_background(rng, flat, contrast * clutter, size)
    # The clutter: each piece has a color of its own.
    for masks in _clutter_masks(rng, heights, pool, size):
        shade = base + contrast * painting.uniform(rng, -1.0, 1.0, num)
        vivid = painting.colors(rng, np.maximum(shade, 0.03))
        # A smaller `clutter` moves the color toward the background.
        _paint(canvas, masks, flat + (vivid - flat) * clutter)
    # The digit, in front of everything else.
    widths = heights * painting.uniform(rng, 0.85, 1.15, num)
    tops = painting.uniform(rng, 0.0, 1.0, num) * (size - heights)
    lefts = painting.uniform(rng, 0.0, 1.0, num) * (size - widths)
    masks = painting.digit_masks(digits, tops, lefts, heights, widths, size)
    _paint(canvas, masks, painting.colors(rng, base + contrast))
    levels = np.rint(np.clip(canvas, 0.0, 1.0) * 255.0)
    return levels / 255.0, _ink_boxes(masks)


def _paint_background(rng, flat, reach, size):
    """Paints textures around flat colors, which differ by at most `reach`."""
    texture = painting.textures(rng, len(flat), size)
    gray = texture[..., :1]
    # The other channels shift only the hue: their sum is zero.
    red, blue = texture[..., 1] * 0.7, texture[..., 2] * 0.7
    tint = np.stack([red, -(red + blue), blue], axis=-1)
    return flat[:, None, None] + (gray + tint) * reach[:, None, None, None]


def _clutter_masks(rng, heights, pool, size):
    """Yields the opacities of one piece of clutter per scene at a time."""
    num = len(heights)
    for kind in ("blob", "blob", "stroke", "fragment") * 2:
        if kind == "blob":
            masks = painting.blob_masks(rng, num, size)
        elif kind == "stroke":
            masks = painting.stroke_masks(rng, num, size)
        else:
            crops = pool[rng.integers(0, len(pool), num)]
            masks = painting.fragment_masks(rng, crops, heights, size)
        # A quarter of the pieces is left out, so that scenes differ.
        masks *= rng.random((num, 1, 1), dtype="float32") < 0.75
        yield masks


def _paint(canvas, masks, paint):
    """Blends one color for each scene into the canvas, in place."""
    canvas += masks[..., None] * (paint[:, None, None, :] - canvas)


def _ink_boxes(masks):
    """Returns tight boxes around opacities of at least one half."""
    size = masks.shape[1]
    ink = masks >= 0.5
    columns, rows = ink.any(axis=1), ink.any(axis=2)
    # The first and one after the last column and row with ink.
    corners = [
        columns.argmax(axis=1),
        rows.argmax(axis=1),
        size - columns[:, ::-1].argmax(axis=1),
        size - rows[:, ::-1].argmax(axis=1),
    ]
    return (np.stack(corners, axis=1) / size).astype("float32")


# Every fifth digit of a class is a test digit. The rule does not depend on a
# seed, so that training scenes of one seed and test scenes of another still
# share no source digit.
TEST_STRIDE = 5


def load_digit_sources():
    """Loads the digits of scikit-learn, in a fixed stratified split.

    Returns:
        `(train, test)`, each a list with one float32 array of shape
        `(M, 8, 8)` per class 0 to 9, holding whole numbers in `[0, 16]`.

    Raises:
        ImportError: If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "`load_digit_scenes` takes its digits from scikit-learn, which "
            "is not installed. Install it with "
            '`pip install "keras-attn-defense[datasets]"`.'
        ) from error
    digits = load_digits()
    images = digits.images.astype("float32")
    train, test = [], []
    for label in range(10):
        members = images[digits.target == label]
        held_out = np.arange(len(members)) % TEST_STRIDE == TEST_STRIDE - 1
        train.append(members[~held_out])
        test.append(members[held_out])
    return train, test
