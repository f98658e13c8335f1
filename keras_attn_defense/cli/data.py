"""Images and labels from files, or from a set that is known by name."""

import os
import sys
from typing import NamedTuple

import numpy as np

from .. import datasets
from .._archives import open_arrays
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
_KEYS = (("x_test", "y_test"), ("x", "y"), ("images", "labels"))
_UNIT = (0.0, 1.0)
_COLOR_MODES = {1: "grayscale", 3: "rgb", 4: "rgba"}


class Wanted(NamedTuple):
    """What a command wants of its data.

    Args:
        value_range: `(lower, upper)` bounds that images have to lie in.
        limit: The number of images, drawn from each class in proportion;
            None for all.
        seed: Integer seed of that draw.
        num_classes: The number of the model's outputs; None matches no labels.
        class_names: The names of the model's outputs, or None.
        input_shape: `(height, width, channels)` that the model takes, None
            where it takes any.
        image_size: `(height, width)` to resize image files to, or None.
        color_mode: What image files are converted to. None takes what has the
            channels of the model.
        labels_needed: Whether the data has to have labels.
    """

    value_range: tuple
    limit: int | None = None
    seed: int = 0
    num_classes: int | None = None
    class_names: list | None = None
    input_shape: tuple = (None, None, None)
    image_size: tuple | None = None
    color_mode: str | None = None
    labels_needed: bool = True


def load_data(source, wanted):
    """Loads the images that a command works on.

    Args:
        source: A `.npz` file; a folder of one folder for each class, or with
            those in its folder `test`, or, without labels, of images; `tfds:`
            and the name of a set of TensorFlow Datasets; or the name of a set.
        wanted: What is `Wanted`.

    Returns:
        Float32 images `(N, height, width, channels)`, and labels, or None if
        there are none.

    Raises:
        ValueError: If there is no such data; it says what a file holds.
    """
    is_folder = source not in _SETS and os.path.isdir(source)
    is_tfds = source.startswith(_TFDS)
    if not (is_folder or is_tfds):
        _check_no_conversion(source, wanted)
    if is_folder:
        images, labels = _read_folder(source, wanted)
    elif is_tfds:
        (test,), names = read_tfds(
            source.removeprefix(_TFDS),
            splits=("test",),
            image_size=wanted.image_size,
            color_mode=wanted.color_mode,
        )
        labels = _matched(source, test.labels, names, wanted)
        images, labels = _drawn(source, test.images, labels, wanted)
    elif source in _SETS:
        # Before the set is downloaded.
        places = _matched(source, np.arange(10), _CLASSES[source], wanted)
        test = _SETS[source]()[1]
        images, labels = _drawn(
            source, test.images, places[test.labels], wanted
        )
    else:
        return _read_archive(source, wanted)
    if is_folder or is_tfds:
        _check_size(source, images, wanted)
    return _scaled(images, _UNIT, wanted.value_range, source), labels


def data_name(source):
    """What the data is called: its name, or its file's without the folder."""
    name = os.path.basename(os.path.normpath(source.removeprefix(_TFDS)))
    return os.path.splitext(name)[0]


def _read_folder(source, wanted):
    path, names = source, class_folders(source)
    if "test" in names:
        path = os.path.join(source, "test")
        names = class_folders(path)
    if names:
        files, labels = class_images(path, names)
        labels = _matched(source, labels, names, wanted)
    elif wanted.labels_needed:
        raise ValueError(
            f"The folder '{path}' holds no folders. Expected one for each "
            "class, with its images."
        )
    else:
        files, labels = image_files(path), None
    files, labels = _drawn(source, np.array(files), labels, wanted)
    color_mode = wanted.color_mode
    if color_mode is None:
        color_mode = _COLOR_MODES.get(wanted.input_shape[-1], "rgb")
    images = read_images(files.tolist(), wanted.image_size, color_mode)
    return unit_images(images, source), labels


def _read_archive(path, wanted):
    if not os.path.exists(path):
        raise ValueError(
            f"There is no data '{path}'. Pass a .npz file, a folder of images, "
            f"tfds:<name>, or one of {', '.join(_SETS)}."
        )
    with open_arrays(path) as file:
        pair = next((pair for pair in _KEYS if pair[0] in file.files), None)
        if pair is None:
            raise ValueError(
                f"The data '{path}' should hold the arrays x and y, x_test and "
                f"y_test, or images and labels. It holds {sorted(file.files)}. "
                "Write it with `np.savez(path, x=images, y=labels)`."
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
            f"The data '{path}' should hold one label for each image. Received "
            f"{pair[0]} of shape {images.shape} and {pair[1]} of shape "
            f"{labels.shape}."
        )
    _check_finite(path, pair[0], images)
    labels = _matched(path, labels, names, wanted)
    images, labels = _drawn(path, images, labels, wanted)
    if images.ndim == 3:  # Gray images without a channel axis.
        images = images[..., None]
    if images.dtype == np.uint8:
        images = _scaled(images, (0.0, 255.0), wanted.value_range, path)
    return images.astype("float32"), labels


def _matched(source, labels, names, wanted):
    """Labels that the model knows."""
    if labels is None or wanted.num_classes is None:
        return labels
    return model_labels(
        source, labels, names, wanted.num_classes, wanted.class_names
    )


def _drawn(source, images, labels, wanted):
    """As many images as are wanted."""
    count = len(images)
    if wanted.limit is None or wanted.limit >= count:
        return images, labels
    strata = np.zeros(count) if labels is None else labels
    rows = stratified_sample(strata, wanted.limit, wanted.seed)
    how = "at random" if labels is None else "from each class in proportion"
    print(
        f"{source}: {len(rows)} of {count} images are drawn, {how} (seed "
        f"{wanted.seed}).",
        file=sys.stderr,
    )
    return images[rows], None if labels is None else labels[rows]


def _check_finite(path, name, images):
    if images.dtype.kind != "f" or not images.size:
        return
    flat = images.reshape(len(images), -1)
    # NaN is passed on, so nothing of the size of the images is made.
    wrong = ~(np.isfinite(flat.min(1)) & np.isfinite(flat.max(1)))
    if wrong.any():
        raise ValueError(
            f"Image {int(wrong.argmax())} of {name} in '{path}' contains NaN "
            f"or infinite values, as do {int(wrong.sum()) - 1} others. Leave "
            "them out, or compute them anew."
        )


def _check_no_conversion(source, wanted):
    for name in ("image_size", "color_mode"):
        if getattr(wanted, name) is not None:
            raise ValueError(
                f"--{name.replace('_', '-')} is for folders of images and for "
                f"tfds:<name>. The images of '{source}' are taken as they are."
            )


def _check_size(source, images, wanted):
    sides, found = tuple(wanted.input_shape[:2]), images.shape[1:3]
    differ = any(s not in (None, f) for s, f in zip(sides, found, strict=True))
    if differ and None not in sides:
        raise ValueError(
            f"The images of '{source}' are of size {found}, and the model "
            f"takes {sides}. Pass --image-size {sides[0]} {sides[1]} to resize "
            "them, as the images were in training."
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
