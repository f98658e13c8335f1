"""Images and labels from a file, or from a set that is known by name."""

import os
import sys
import zipfile

import numpy as np

from .. import datasets

_SETS = {
    "digit_scenes": datasets.load_digit_scenes,
    "cifar10": datasets.load_cifar10,
    "mnist": datasets.load_mnist,
}
_KEYS = (("x_test", "y_test"), ("x", "y"), ("images", "labels"))


def load_data(source, value_range, limit=None):
    """Loads the images that a command works on.

    Args:
        source: A `.npz` file, or the name of a set.
        value_range: `(lower, upper)` bounds that images have to lie in.
        limit: The number of images, the first ones; None for all.

    Returns:
        Float32 images `(N, height, width, channels)`, and labels as they are,
        or None if the file has none.

    Raises:
        ValueError: If there is no such data; it says what a file holds.
    """
    if source in _SETS:
        _, test = _SETS[source]()
        images, labels = test.images[:limit], test.labels[:limit]
        return _scaled(images, (0.0, 1.0), value_range, source), labels
    images, labels = _read(source, limit)
    if images.ndim == 3:  # Grey images without a channel axis.
        images = images[..., None]
    if images.dtype == np.uint8:
        images = _scaled(images, (0.0, 255.0), value_range, source)
    return images.astype("float32"), labels


def data_name(source):
    """What the data is called: its name, or its file's without the folder."""
    return os.path.splitext(os.path.basename(source))[0]


def _read(path, limit):
    if not os.path.exists(path):
        raise ValueError(
            f"There is no data '{path}'. Pass a .npz file, or one of "
            f"{', '.join(_SETS)}."
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"The data '{path}' is no .npz file. Write one with "
            "`np.savez(path, x=images, y=labels)`."
        )
    # Pickled objects stay refused: they could run code from the file.
    with np.load(path, allow_pickle=False) as file:
        for images, labels in _KEYS:
            if images in file.files:
                known = labels in file.files
                return (
                    _array(file, images, path)[:limit],
                    _array(file, labels, path)[:limit] if known else None,
                )
        raise ValueError(
            f"The data '{path}' should hold the arrays x and y, x_test and "
            f"y_test, or images and labels. It holds {sorted(file.files)}. "
            "Write it with `np.savez(path, x=images, y=labels)`."
        )


def _array(file, name, path):
    try:
        return file[name]
    except ValueError:
        raise ValueError(
            f"The array {name} of '{path}' holds Python objects, which are "
            "not loaded, as they could run code. Expected numbers: stack "
            "images of one size with `np.stack` before saving."
        ) from None


def _scaled(images, bounds, value_range, source):
    """Images brought from their bounds to the value range, in float32."""
    if bounds == value_range:
        return images
    print(
        f"{source}: {images.dtype} images are scaled from {bounds} to the "
        f"value range {value_range}.",
        file=sys.stderr,
    )
    (low, high), (lower, upper) = bounds, value_range
    shares = (images.astype("float32") - low) / (high - low)
    return np.clip(lower + shares * (upper - lower), lower, upper)
