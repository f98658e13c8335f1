"""Loading of image sets of TensorFlow Datasets."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._typing import Path
from .._typing import ValueRange
from ..data import padded_boxes
from .conversion import chosen_column
from .conversion import label_indices
from .conversion import unit_images
from .image_split import ImageSplit
from .pictures import Pictures
from .pictures import stacked

_INSTALL = '`pip install "keras-attn-defense[datasets]"`'


def load_tfds(
    source: str | Path | Any,
    *,
    splits: tuple[str, str] = ("train", "test"),
    data_dir: Path | None = None,
    download: bool = True,
    image_size: tuple[int, int] | None = None,
    color_mode: str | None = None,
    value_range: ValueRange | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[ImageSplit, ImageSplit]:
    """Loads an image set of TensorFlow Datasets into memory.

    Any version and file format that has been prepared can be read. Sets in
    the `array_record` format are read without TensorFlow; the others need it
    on every Keras backend.

    Bounding boxes are read if the set has a feature of them; boxes without
    area are left out.

    Args:
        source: The name of a set, such as `"cifar10"` or
            `"imagenet_v2/matched-frequency"`; the folder of a prepared set,
            which contains `dataset_info.json`; or a builder, such as
            `tfds.ImageFolder(path)`.
        splits: The names of the two splits, or parts such as `"train[:10%]"`.
        data_dir: Folder of prepared sets. `None` takes the default of
            TensorFlow Datasets, `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.
        download: Whether to download and prepare the set if it is missing.
            Without a network the attempt fails only after minutes of
            retries; `False` fails at once.
        image_size: `(height, width)` to resize to; needed if images differ in
            size. The aspect ratio is not kept.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"` to convert to. None
            keeps that of the images.
        value_range: `(lower, upper)`, the values that become 0 and 1. None
            means 0 and 255 for uint8, and 0 and 1 for floats that lie between
            them; other images raise an error.
        image_column: The feature of the images. None means that of
            `as_supervised`, or else the only image.
        label_column: The feature of the labels. None means that of
            `as_supervised`, or else the only `ClassLabel`.
        class_names: The classes in the order of their indices, if labels are
            strings.

    Returns:
        `(train, test)`, two `ImageSplit`s.

    Raises:
        FileNotFoundError: If the set is missing and `download=False`.
        ImportError: If `tensorflow-datasets`, or TensorFlow if it is needed,
            is not installed.
        ValueError: If columns, sizes or the value range can neither be
            inferred nor are given.

    Example:

    ```python
    train, test = kad.datasets.load_tfds(
        "stanford_dogs", image_size=(96, 96), download=False
    )
    train, test = kad.datasets.load_tfds(
        "cifar10", splits=("train[:90%]", "train[90%:]")
    )
    ```

    Reference:
        [TensorFlow Datasets](https://www.tensorflow.org/datasets)
    """
    (train, test), _ = read_tfds(
        source,
        splits,
        data_dir=data_dir,
        download=download,
        image_size=image_size,
        color_mode=color_mode,
        value_range=value_range,
        image_column=image_column,
        label_column=label_column,
        class_names=class_names,
    )
    return train, test


def read_tfds(
    source,
    splits,
    *,
    data_dir=None,
    download=True,
    image_size=None,
    color_mode=None,
    value_range=None,
    image_column=None,
    label_column=None,
    class_names=None,
):
    """Reads any number of splits of a set, with the arguments of `load_tfds`.

    Returns:
        A list of `ImageSplit`s, and the names of the classes, None if they
        are not known.
    """
    tfds = _import_tfds()
    builder = _builder(tfds, source, data_dir, download)
    columns = _columns(tfds, builder.info, image_column, label_column)
    pictures = Pictures(image_size, color_mode)

    def read(split):
        images, labels, boxes = [], [], []
        for example in _examples(tfds, builder, split):
            images.append(pictures.array(example[columns[0]]))
            labels.append(example[columns[1]])
            boxes.extend(_boxes_of(example, columns[2]))
        images = unit_images(stacked(images), columns[0], value_range)
        labels = label_indices(labels, columns[1], len(images), class_names)
        return ImageSplit(
            images, labels, padded_boxes(boxes) if boxes else None
        )

    label = builder.info.features[columns[1]]
    is_named = isinstance(label, tfds.features.ClassLabel)
    return list(map(read, splits)), label.names if is_named else class_names


def _import_tfds():
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "This loader needs the package `tensorflow-datasets`, which is "
            f"not installed. Install it with {_INSTALL}."
        ) from error
    return tensorflow_datasets


def _builder(tfds, source, data_dir, download):
    """Returns the builder of a prepared set, and prepares it if necessary."""
    if hasattr(source, "as_dataset"):
        return source
    source = os.path.expanduser(source)
    if os.path.exists(os.path.join(source, "dataset_info.json")):
        return tfds.builder_from_directory(source)
    if data_dir is not None:
        data_dir = os.path.expanduser(data_dir)
    # Without a version, the library takes its newest one, even if another is
    # prepared. With a pattern, it prefers a prepared version.
    name = source if ":" in source else f"{source}:*.*.*"
    builder = tfds.builder(name, data_dir=data_dir)
    if not builder.is_prepared():
        _prepare(builder, data_dir, download)
    return builder


def _prepare(builder, data_dir, download):
    if not download:
        raise FileNotFoundError(
            f"No prepared {builder.name!r} was found. Received: "
            f"data_dir={data_dir!r}, download=False. Pass the folder that "
            f"contains `{builder.name}/<version>/`, or `download=True`."
        )
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise ImportError(
            f"Preparing {builder.name!r} needs TensorFlow and the packages "
            "of the extra `datasets`; one of them is not installed. Install "
            f"them with {_INSTALL} and `pip install tensorflow`, or pass a "
            "`data_dir` in which the set is prepared."
        ) from error


def _columns(tfds, info, image_column, label_column):
    """Returns the names of images and labels, and the path of the boxes."""
    features = dict(info.features)
    supervised = info.supervised_keys or ()

    def choose(kind, requested, feature_class):
        candidates = [
            name
            for name, feature in features.items()
            if isinstance(feature, feature_class)
        ]
        preferred = [name for name in supervised if name in candidates]
        return chosen_column(
            kind, requested, list(features), preferred or candidates
        )

    return (
        choose("image", image_column, tfds.features.Image),
        choose("label", label_column, tfds.features.ClassLabel),
        _path_of_boxes(features, tfds.features.BBoxFeature),
    )


def _path_of_boxes(features, kind):
    """Returns the names that lead to the boxes of an example, or None."""
    for name, feature in features.items():
        # One box for each image, or a sequence of boxes or of dicts with boxes.
        feature = getattr(feature, "feature", feature)
        if isinstance(feature, kind):
            return (name,)
        if hasattr(feature, "items"):
            inner = _path_of_boxes(feature, kind)
            if inner:
                return (name, *inner)
    return None


def _boxes_of(example, path):
    """Returns a list with the boxes of an example, empty without boxes."""
    if path is None:
        return []
    for name in path:
        example = example[name]
    # Rows are (y_min, x_min, y_max, x_max), in fractions.
    boxes = np.asarray(example, "float32")[..., [1, 0, 3, 2]]
    if boxes.ndim == 2:
        boxes = boxes[(boxes[:, :2] < boxes[:, 2:]).all(-1)]
    return [boxes]


def _examples(tfds, builder, split):
    """Returns an iterable of examples, without TensorFlow if possible."""
    try:
        return builder.as_data_source(split)
    except (NotImplementedError, ValueError):
        pass  # No random access: tfrecord, the default, and image folders.
    try:
        return tfds.as_numpy(builder.as_dataset(split=split))
    except ImportError as error:
        raise ImportError(
            f"The set {builder.name!r} in {str(builder.data_dir)!r} has a "
            "format that only TensorFlow reads, and TensorFlow is not "
            "installed. Install it with `pip install tensorflow`, or, on a "
            "machine that has it, prepare the set with "
            "`tfds.builder(name, file_format='array_record')`."
        ) from error
