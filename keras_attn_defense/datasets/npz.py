"""Image sets in `.npz` files of the `keras.datasets` layout."""

import os
import zipfile

import numpy as np

from .._typing import Path
from .image_split import ImageSplit

_REQUIRED_KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_npz(path: Path) -> tuple[ImageSplit, ImageSplit]:
    """Loads an image set from a `.npz` file of the `keras.datasets` layout.

    The file holds the arrays `x_train`, `y_train`, `x_test` and `y_test`,
    and may hold `boxes_train` and `boxes_test`:

    - images: `(N, H, W)` or `(N, H, W, C)`. uint8 is divided by 255; floats
      must lie in `[0, 1]` already.
    - labels: integers from 0, of shape `(N,)` or `(N, 1)`.
    - boxes: `(N, 4)`, fractions as in `ImageSplit`.

    Args:
        path: Path of the file.

    Returns:
        `(train, test)`, two `ImageSplit`s. Gray images get a channel axis.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an array is missing, or is not as described above.

    Example:

    ```python
    (x, y), (x_test, y_test) = keras.datasets.cifar10.load_data()
    np.savez("set.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    train, test = kad.datasets.load_npz("set.npz")
    ```
    """
    if os.path.exists(path) and not zipfile.is_zipfile(path):
        raise ValueError(
            "`path` must name a `.npz` archive. Received: "
            f"path={str(path)!r}, which is none. Write the file with "
            "`np.savez`."
        )
    # Pickled objects stay refused: they could run code from the file.
    with np.load(path, allow_pickle=False) as archive:
        missing = [key for key in _REQUIRED_KEYS if key not in archive.files]
        if missing:
            raise ValueError(
                f"The file must hold the arrays {list(_REQUIRED_KEYS)}. "
                f"Missing: {missing}. Received: path={str(path)!r} with "
                f"{sorted(archive.files)}. Rename or add arrays with "
                "`np.savez`."
            )
        train = _read_split(archive, "train")
        test = _read_split(archive, "test")
    if train.images.shape[1:] != test.images.shape[1:]:
        raise ValueError(
            "`x_train` and `x_test` must hold images of one shape. Received: "
            f"{train.images.shape[1:]} and {test.images.shape[1:]}. Resize "
            "one of them before saving."
        )
    return train, test


def _read_split(archive, split):
    images = _read_images(archive, f"x_{split}")
    labels = _read_labels(archive, f"y_{split}", len(images))
    boxes = None
    if f"boxes_{split}" in archive.files:
        boxes = _read_boxes(archive, f"boxes_{split}", len(images))
    return ImageSplit(images, labels, boxes)


def _read(archive, key):
    try:
        return archive[key]
    except ValueError as error:
        raise ValueError(
            f"`{key}` must be an array of numbers. Received: an array of "
            "Python objects, which is not loaded, as it could run code. "
            "Stack images of one size with `np.stack` before saving."
        ) from error


def _read_images(archive, key):
    images = _read(archive, key)
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"`{key}` must have the shape (N, H, W) or (N, H, W, C), with at "
            f"least one image. Received: shape={images.shape}. Reshape it "
            "before saving."
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[1] in (1, 3) and images.shape[3] > 4:
        raise ValueError(
            f"`{key}` must have its channels last, (N, H, W, C). Received: "
            f"shape={images.shape}, which looks like channels first. Move "
            "them with `np.moveaxis(images, 1, -1)` before saving."
        )
    if images.dtype == np.uint8:
        return images.astype("float32") / 255.0
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"`{key}` must be uint8, or floats in [0, 1]. Received: "
            f"dtype={images.dtype}. Values of 0 to 255 can be saved as "
            '`images.astype("uint8")`.'
        )
    low, high = images.min(), images.max()
    # Written so that NaN, which compares false, is refused too.
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(
            f"`{key}` holds floats, and these must lie in [0, 1]. Received: "
            f"values in [{low}, {high}]. Undo any standardisation, and "
            "divide values of 0 to 255 by 255, before saving."
        )
    return images.astype("float32")


def _read_labels(archive, key, num_images):
    labels = _read(archive, key)
    shape = labels.shape
    if labels.ndim == 2 and shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"`{key}` must have the shape (N,) or (N, 1). Received: "
            f"shape={shape}. Turn one-hot labels into class indices with "
            "`labels.argmax(axis=-1)`."
        )
    _check_count(key, labels, num_images)
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            f"`{key}` must hold class indices, integers from 0. Received: "
            f"dtype={labels.dtype}, starting with {labels[:3].tolist()}. "
            "Number the classes with `np.unique(labels, return_inverse=True)`."
        )
    return labels.astype("int32")


def _read_boxes(archive, key, num_images):
    boxes = _read(archive, key)
    is_number = np.issubdtype(boxes.dtype, np.number)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not is_number:
        raise ValueError(
            f"`{key}` must be numbers of shape (N, 4), with rows (x_min, "
            f"y_min, x_max, y_max). Received: shape={boxes.shape}, "
            f"dtype={boxes.dtype}. Keep one box for each image."
        )
    _check_count(key, boxes, num_images)
    in_range = (boxes >= 0) & (boxes <= 1)
    if not in_range.all() or not (boxes[:, :2] < boxes[:, 2:]).all():
        raise ValueError(
            f"`{key}` must hold fractions of width and height in [0, 1], with "
            "x_min < x_max and y_min < y_max. Received: values in "
            f"[{boxes.min()}, {boxes.max()}]. Divide pixels by the image's "
            "size, and order each row as (x_min, y_min, x_max, y_max)."
        )
    return boxes.astype("float32")


def _check_count(key, values, num_images):
    if len(values) != num_images:
        raise ValueError(
            f"`{key}` must have one row for each image. Received: "
            f"{len(values)} rows for {num_images} images. Check that both "
            "arrays were cut in the same way."
        )
