"""Image sets of TensorFlow Datasets."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._typing import Path
from .._typing import ValueRange
from .boxes import padded_boxes
from .columns import chosen_column
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

    Any version and file format that has been prepared is read where it lies.
    Sets in the `array_record` format are read without TensorFlow; the others
    need it, whatever the Keras backend.

    Bounding boxes come too, where the set has a feature of them; those without
    area are left out.

    Args:
        source: The name of a set, such as `"cifar10"` or
            `"imagenet_v2/matched-frequency"`; the folder of a prepared set,
            which holds `dataset_info.json`; or a builder, such as
            `tfds.ImageFolder(path)`.
        splits: The names of the two splits, or parts such as `"train[:10%]"`.
        data_dir: Folder of prepared sets. `None` takes the default of
            TensorFlow Datasets, `$TFDS_DATA_DIR` or `~/tensorflow_datasets`.
        download: Whether to download and prepare a set that is not there.
            Without a network the attempt fails only after minutes of
            retries; `False` fails at once.
        image_size: `(height, width)` to resize to; needed where images differ
            in size. The aspect ratio is not kept.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"` to convert to. None
            keeps that of the images.
        value_range: `(lower, upper)`, the values that stand for 0 and 1. None:
            found for uint8, and for floats that lie in `[0, 1]`; an error
            otherwise.
        image_column: The feature of the images. None: that of
            `as_supervised`, or else the only image.
        label_column: The feature of the labels. None: that of
            `as_supervised`, or else the only `ClassLabel`.
        class_names: The classes in the order of their indices, where labels
            are strings.

    Returns:
        `(train, test)`, two `ImageSplit`s.

    Raises:
        FileNotFoundError: If the set is not there and `download=False`.
        ImportError: If `tensorflow-datasets`, or TensorFlow where it is
            needed, is not installed.
        ValueError: If columns, sizes or values are neither found nor given.

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
    """Splits of a set, and the names of its classes, None if not known.

    It takes what `load_tfds` takes, and any number of splits.
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
    if hasattr(source, "as_dataset"):
        return source
    source = os.path.expanduser(source)
    if os.path.exists(os.path.join(source, "dataset_info.json")):
        return tfds.builder_from_directory(source)
    if data_dir is not None:
        data_dir = os.path.expanduser(data_dir)
    # Without a version, the code's newest is taken, even where another one
    # is prepared. With a pattern, what lies on disk comes first.
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
            f"holds `{builder.name}/<version>/`, or `download=True`."
        )
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise ImportError(
            f"Preparing {builder.name!r} needs TensorFlow and the packages "
            "of the extra `datasets`, of which one is not installed. Install "
            f"them with {_INSTALL} and `pip install tensorflow`, or pass a "
            "`data_dir` in which the set is prepared."
        ) from error


def _columns(tfds, info, image_column, label_column):
    """The names of the images and the labels, and the path of the boxes."""
    features = dict(info.features)
    supervised = info.supervised_keys or ()

    def choose(what, given, kind):
        found = [
            name for name, its in features.items() if isinstance(its, kind)
        ]
        preferred = [name for name in supervised if name in found]
        return chosen_column(what, given, list(features), preferred or found)

    return (
        choose("image", image_column, tfds.features.Image),
        choose("label", label_column, tfds.features.ClassLabel),
        _path_of_boxes(features, tfds.features.BBoxFeature),
    )


def _path_of_boxes(features, kind):
    """Where an example holds its boxes, a tuple of names, or None."""
    for name, feature in features.items():
        # One box an image, or a sequence of boxes or of what has them.
        feature = getattr(feature, "feature", feature)
        if isinstance(feature, kind):
            return (name,)
        if hasattr(feature, "items"):
            inner = _path_of_boxes(feature, kind)
            if inner:
                return (name, *inner)
    return None


def _boxes_of(example, path):
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
    try:
        return builder.as_data_source(split)
    except (NotImplementedError, ValueError):
        pass  # No random access: tfrecord, the default, and image folders.
    try:
        return tfds.as_numpy(builder.as_dataset(split=split))
    except ImportError as error:
        raise ImportError(
            f"The {builder.name!r} under {str(builder.data_dir)!r} is in a "
            "format that only TensorFlow reads, and TensorFlow is not "
            "installed. Install it with `pip install tensorflow`, or, on a "
            "machine that has it, prepare the set with "
            "`tfds.builder(name, file_format='array_record')`."
        ) from error
