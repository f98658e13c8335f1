"""Loading of images and labels from files, or of data sets by name."""

import os
import sys
from typing import NamedTuple

import numpy as np

from .. import datasets
from .._archives import open_arrays
from .._typing import ValueRange
from ..datasets.conversion import unit_images
from ..datasets.image_folder import class_folders
from ..datasets.image_folder import class_images
from ..datasets.image_folder import image_files
from ..datasets.image_folder import read_images
from ..datasets.sampling import stratified_sample
from ..datasets.tfds import read_tfds
from .labels import model_labels

_SETS = {
    "digit_scenes": datasets.load_digit_scenes,
    "cifar10": datasets.load_cifar10,
    "mnist": datasets.load_mnist,
}
_DIGITS = [str(digit) for digit in range(10)]
_CLASSES = {
    "digit_scenes": _DIGITS,
    "cifar10": [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ],
    "mnist": _DIGITS,
}
_TFDS = "tfds:"
_KEYS = (("x", "y"), ("images", "labels"))
_SPLITS = ("train", "test")
_UNIT = (0.0, 1.0)
_COLOR_MODES = {1: "grayscale", 3: "rgb", 4: "rgba"}


class DataOptions(NamedTuple):
    """The requirements of a command on its data.

    Args:
        value_range: `(lower, upper)` bounds of the images.
        limit: The number of images, drawn from each class in proportion;
            None for all.
        seed: Integer seed of the choice of images.
        num_classes: The number of the model's outputs. If it is None, labels
            are not compared with them.
        class_names: The names of the model's outputs, or None.
        input_shape: `(height, width, channels)` of the model's images; None
            for sizes that are free.
        image_size: `(height, width)` to resize image files to, or None.
        color_mode: The mode that image files are converted to. None takes the
            one with the model's number of channels.
        labels_needed: Whether the data must have labels.
        split: The part of a set that has parts: `"test"` or `"train"`.
    """

    value_range: ValueRange
    limit: int | None = None
    seed: int = 0
    num_classes: int | None = None
    class_names: list[str] | None = None
    input_shape: tuple[int | None, ...] = (None, None, None)
    image_size: tuple[int, int] | None = None
    color_mode: str | None = None
    labels_needed: bool = True
    split: str = "test"


def load_data(source, options):
    """Loads the images that a command works on.

    Args:
        source: A `.npz` file; a folder with one folder for each class, or with
            these folders in its folder `test` (the `split`), or, without
            labels, with images; `tfds:` and the name of a set of TensorFlow
            Datasets; or the name of a set.
        options: The `DataOptions`.

    Returns:
        Float32 images `(N, height, width, channels)`, and labels, or None if
        there are none.

    Raises:
        ValueError: If there is no such data, or it does not fit the model.
    """
    is_folder = source not in _SETS and os.path.isdir(source)
    is_tfds = source.startswith(_TFDS)
    if not (is_folder or is_tfds):
        _check_no_conversion(source, options)
    if is_folder:
        images, labels = _read_folder(source, options)
    elif is_tfds:
        (part,), names = read_tfds(
            source.removeprefix(_TFDS),
            splits=(options.split,),
            image_size=options.image_size,
            color_mode=options.color_mode,
        )
        labels = _matched(source, part.labels, names, options)
        images, labels = _limited(source, part.images, labels, options)
    elif source in _SETS:
        # Checked before the set is downloaded.
        places = _matched(source, np.arange(10), _CLASSES[source], options)
        part = _SETS[source]()[_SPLITS.index(options.split)]
        images, labels = _limited(
            source, part.images, places[part.labels], options
        )
    else:
        return _read_archive(source, options)
    if is_folder or is_tfds:
        _check_size(source, images, options)
    return _scaled(images, _UNIT, options.value_range, source), labels


def data_name(source):
    """Returns the name of a data set or of its file, without the folder."""
    name = os.path.basename(os.path.normpath(source.removeprefix(_TFDS)))
    return os.path.splitext(name)[0]


def _read_folder(source, options):
    """Reads images from folders of classes, or from one without labels."""
    path, names = source, class_folders(source)
    if options.split in names:
        path = os.path.join(source, options.split)
        names = class_folders(path)
    if names:
        files, labels = class_images(path, names)
        labels = _matched(source, labels, names, options)
    elif options.labels_needed:
        raise ValueError(
            f"The folder '{path}' contains no folders. Expected one for each "
            "class, with its images."
        )
    else:
        files, labels = image_files(path), None
    files, labels = _limited(source, np.array(files), labels, options)
    color_mode = options.color_mode
    if color_mode is None:
        color_mode = _COLOR_MODES.get(options.input_shape[-1], "rgb")
    images = read_images(files.tolist(), options.image_size, color_mode)
    return unit_images(images, source), labels


def _read_archive(path, options):
    """Reads images and labels from a `.npz` file."""
    if not os.path.exists(path):
        raise ValueError(
            f"There is no data '{path}'. Pass a .npz file, a folder of images, "
            f"tfds:<name>, or one of {', '.join(_SETS)}."
        )
    of_split = (f"x_{options.split}", f"y_{options.split}")
    with open_arrays(path) as file:
        pairs = (of_split, *_KEYS)
        pair = next((pair for pair in pairs if pair[0] in file.files), None)
        if pair is None:
            raise ValueError(
                f"The data '{path}' should contain the arrays x and y, "
                f"{' and '.join(of_split)}, or images and labels. It contains "
                f"{sorted(file.files)}. Write it with "
                "`np.savez(path, x=images, y=labels)`."
            )
        images, labels, names = (
            file[name] if name in file.files else None
            for name in (*pair, "class_names")
        )
    if images.ndim not in (3, 4) or images.dtype.kind not in "biuf":
        raise ValueError(
            f"The images {pair[0]} of '{path}' should be numbers of shape "
            "(number, height, width, channels), or without channels. Received: "
            f"shape={images.shape}, dtype={images.dtype}."
        )
    if labels is not None and (not labels.ndim or len(labels) != len(images)):
        raise ValueError(
            f"The data '{path}' should contain one label for each image. "
            f"Received {pair[0]} of shape {images.shape} and {pair[1]} of "
            f"shape {labels.shape}."
        )
    _check_finite(path, pair[0], images)
    labels = _matched(path, labels, names, options)
    images, labels = _limited(path, images, labels, options)
    if images.ndim == 3:  # Gray images without a channel axis.
        images = images[..., None]
    if images.dtype == np.uint8:
        images = _scaled(images, (0.0, 255.0), options.value_range, path)
    return images.astype("float32"), labels


def _matched(source, labels, names, options):
    """Converts labels to indices of the model's outputs."""
    if labels is None or options.num_classes is None:
        return labels
    return model_labels(
        source, labels, names, options.num_classes, options.class_names
    )


def _limited(source, images, labels, options):
    """Draws a limited number of images."""
    count = len(images)
    if options.limit is None or options.limit >= count:
        return images, labels
    # Without labels, all images count as one class.
    strata = np.zeros(count) if labels is None else labels
    rows = stratified_sample(strata, options.limit, options.seed)
    how = "at random" if labels is None else "from each class in proportion"
    print(
        f"{source}: {len(rows)} of {count} images are drawn, {how} (seed "
        f"{options.seed}).",
        file=sys.stderr,
    )
    return images[rows], None if labels is None else labels[rows]


def _check_finite(path, name, images):
    """Checks that no image contains NaN or infinite values."""
    if images.dtype.kind != "f" or not images.size:
        return
    rows = images.reshape(len(images), -1)
    # Minimum and maximum are NaN if a value is: no temporary array of the size
    # of the images is needed.
    wrong = ~(np.isfinite(rows.min(1)) & np.isfinite(rows.max(1)))
    if wrong.any():
        raise ValueError(
            f"Image {int(wrong.argmax())} of {name} in '{path}' contains NaN "
            f"or infinite values, as do {int(wrong.sum()) - 1} others. Leave "
            "them out, or compute them again."
        )


def _check_no_conversion(source, options):
    """Checks that no conversion is asked for where there is none."""
    for name in ("image_size", "color_mode"):
        if getattr(options, name) is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} is for folders of images and for "
                f"tfds:<name>. The images of '{source}' are not converted."
            )


def _check_size(source, images, options):
    """Checks that images have the size that the model takes."""
    expected, actual = tuple(options.input_shape[:2]), images.shape[1:3]
    differ = any(
        side not in (None, other)
        for side, other in zip(expected, actual, strict=True)
    )
    if differ and None not in expected:
        raise ValueError(
            f"The images of '{source}' are of size {actual}, and the model "
            f"takes {expected}. Pass --image-size {expected[0]} {expected[1]} "
            "to resize them, as the images were in training."
        )


def _scaled(images, bounds, value_range, source):
    """Scales images from their bounds to the value range, in float32."""
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
