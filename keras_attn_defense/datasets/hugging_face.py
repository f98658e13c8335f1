"""Loading of image sets of the Hugging Face library `datasets`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._typing import ValueRange
from .conversion import chosen_column
from .conversion import label_indices
from .conversion import unit_images
from .image_split import ImageSplit
from .pictures import Pictures
from .pictures import stacked


def load_hugging_face(
    source: Any,
    *,
    splits: tuple[str, str] = ("train", "test"),
    image_size: tuple[int, int] | None = None,
    color_mode: str | None = None,
    value_range: ValueRange | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[ImageSplit, ImageSplit]:
    """Loads an image set of Hugging Face's `datasets` into memory.

    Args:
        source: A `datasets.DatasetDict`, or a pair `(train, test)` of
            `datasets.Dataset`s. Their format (`with_format`) does not matter.
        splits: The names of two splits, if `source` is a `DatasetDict`.
        image_size: `(height, width)` to resize to; needed if images differ in
            size. The aspect ratio is not kept.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"` to convert to. None
            keeps that of the images.
        value_range: `(lower, upper)`, the values that become 0 and 1. None
            means 0 and 255 for uint8, and 0 and 1 for floats that lie between
            them; other images raise an error.
        image_column: The column of the images. None means the only one with
            the feature `Image`, `Array2D` or `Array3D`.
        label_column: The column of the labels. None means the only
            `ClassLabel`, or else the only column of integers.
        class_names: The classes in the order of their indices, if labels are
            strings.

    Returns:
        `(train, test)`, two `ImageSplit`s without boxes.

    Raises:
        ImportError: If `datasets` is not installed.
        ValueError: If columns, sizes or the value range can neither be
            inferred nor are given.

    Example:

    ```python
    import datasets

    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=list("abcd"))
    )
    columns = {"image": list(np.uint8(255 * x)), "label": y.tolist()}
    part = datasets.Dataset.from_dict(columns, features)
    train, test = kad.datasets.load_hugging_face(
        datasets.DatasetDict(train=part, test=part)
    )
    ```

    Reference:
        [Hugging Face Datasets](https://huggingface.co/docs/datasets)
    """
    library = _import_datasets()
    pictures = Pictures(image_size, color_mode)

    def read(dataset):
        features = dataset.features
        image = _image_column(library, features, image_column)
        label = _label_column(library, features, label_column)
        if isinstance(features[image], library.Image):
            dataset = dataset.cast_column(image, library.Image(decode=True))
        # Rows contain arrays as lists of numbers: the column knows their type.
        dtype = getattr(features[image], "dtype", None)
        is_array = isinstance(features[image], _array_kinds(library))
        images, labels = [], []
        for row in dataset.with_format(None):
            picture = row[image]
            picture = np.asarray(picture, dtype) if is_array else picture
            images.append(pictures.array(picture))
            labels.append(row[label])
        images = unit_images(stacked(images), image, value_range)
        labels = label_indices(labels, label, len(images), class_names)
        return ImageSplit(images, labels)

    train, test = map(read, _pair(library, source, splits))
    return train, test


def _import_datasets():
    try:
        import datasets
    except ImportError as error:
        raise ImportError(
            "This loader needs the package `datasets`, which is not installed. "
            'Install it with `pip install "keras-attn-defense[huggingface]"`.'
        ) from error
    return datasets


def _pair(library, source, splits):
    """Returns the two data sets of a source."""
    if isinstance(source, dict):
        missing = [split for split in splits if split not in source]
        if missing:
            raise ValueError(
                f"The `DatasetDict` has no split {missing[0]!r}. Received: "
                f"splits={tuple(splits)}; there are {sorted(source)}. Pass two "
                "of them as `splits`, or divide one of them with its method "
                "`train_test_split`."
            )
        return [source[split] for split in splits]
    is_pair = isinstance(source, (tuple, list)) and len(source) == 2
    if is_pair and all(isinstance(each, library.Dataset) for each in source):
        return source
    raise ValueError(
        "`source` should be a `datasets.DatasetDict`, or a pair of "
        f"`datasets.Dataset`s, (train, test). Received: {type(source)}. "
        "The method `train_test_split` makes a `DatasetDict` of a single set; "
        "pass a streamed set to `fit` directly, in batches of (images, labels)."
    )


def _image_column(library, features, requested):
    """Returns the name of the column of the images."""
    candidates = _columns_of(features, library.Image)
    candidates = candidates or _columns_of(features, _array_kinds(library))
    return chosen_column("image", requested, list(features), candidates)


def _label_column(library, features, requested):
    """Returns the name of the column of the labels."""
    candidates = _columns_of(features, library.ClassLabel) or [
        name
        for name in _columns_of(features, library.Value)
        if "int" in features[name].dtype
    ]
    return chosen_column("label", requested, list(features), candidates)


def _columns_of(features, kind):
    """Returns the names of the columns whose feature is of a kind."""
    return [
        name for name, feature in features.items() if isinstance(feature, kind)
    ]


def _array_kinds(library):
    return (library.Array2D, library.Array3D)
