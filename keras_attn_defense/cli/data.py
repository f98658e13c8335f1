"""Images and labels from files, or from a set that is known by name."""

import os
import sys

import numpy as np

from .. import datasets
from .._archives import open_arrays
from ..datasets.image_folder import class_folders
from ..datasets.image_folder import read_image_folder

_SETS = {
    "digit_scenes": datasets.load_digit_scenes,
    "cifar10": datasets.load_cifar10,
    "mnist": datasets.load_mnist,
}
_TFDS = "tfds:"
_KEYS = (("x_test", "y_test"), ("x", "y"), ("images", "labels"))
_UNIT = (0.0, 1.0)


def load_data(source, value_range, limit=None):
    """Loads the images that a command works on.

    Args:
        source: A `.npz` file; a folder of one folder for each class, or with
            those in its folder `test`; `tfds:` and the name of a set of
            TensorFlow Datasets; or the name of a set.
        value_range: `(lower, upper)` bounds that images have to lie in.
        limit: The number of images, the first ones, of a folder some of each
            class; None for all.

    Returns:
        Float32 images `(N, height, width, channels)`, and labels as they are,
        or None if the file has none.

    Raises:
        ValueError: If there is no such data; it says what a file holds.
    """
    if source in _SETS or source.startswith(_TFDS) or os.path.isdir(source):
        test = _split(source, limit)
        images, labels = test.images[:limit], test.labels[:limit]
        return _scaled(images, _UNIT, value_range, source), labels
    images, labels = _read(source, limit)
    if images.ndim == 3:  # Grey images without a channel axis.
        images = images[..., None]
    if images.dtype == np.uint8:
        images = _scaled(images, (0.0, 255.0), value_range, source)
    return images.astype("float32"), labels


def data_name(source):
    """What the data is called: its name, or its file's without the folder."""
    name = os.path.basename(os.path.normpath(source.removeprefix(_TFDS)))
    return os.path.splitext(name)[0]


def _split(source, limit):
    if source in _SETS:
        return _SETS[source]()[1]
    if source.startswith(_TFDS):
        name = source.removeprefix(_TFDS)
        # Of the split that is not wanted, as little as possible is read.
        return datasets.load_tfds(name, splits=("test[:1]", "test"))[1]
    if "test" in class_folders(source):
        source = os.path.join(source, "test")
    return read_image_folder(source, limit=limit)


def _read(path, limit):
    if not os.path.exists(path):
        raise ValueError(
            f"There is no data '{path}'. Pass a .npz file, a folder of images, "
            f"tfds:<name>, or one of {', '.join(_SETS)}."
        )
    with open_arrays(path) as file:
        for images, labels in _KEYS:
            if images in file.files:
                known = labels in file.files
                return (
                    file[images][:limit],
                    file[labels][:limit] if known else None,
                )
        raise ValueError(
            f"The data '{path}' should hold the arrays x and y, x_test and "
            f"y_test, or images and labels. It holds {sorted(file.files)}. "
            "Write it with `np.savez(path, x=images, y=labels)`."
        )


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
