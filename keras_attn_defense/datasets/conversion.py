"""Conversion of images and labels of every source to one form."""

import numpy as np

from ..data import check_contrast
from ..data import check_images
from ..data import check_value_range


def unit_images(images, name, value_range=None):
    """Converts images to float32 values in `[0, 1]`, with a channel axis.

    Args:
        images: Array `(N, height, width)` or with channels last.
        name: Name of the images in errors.
        value_range: `(lower, upper)`, the values that become 0 and 1. None
            means 0 and 255 for bytes, and accepts floats in `[0, 1]`.

    Returns:
        Array `(N, height, width, channels)`.

    Raises:
        ValueError: If the images have another shape, or their range is not
            known, or they lie outside of it.
    """
    images = _with_channels(images, name)
    if value_range is None:
        value_range = _known_range(images, name)
    lower, upper = check_value_range(value_range)
    try:
        check_images(images, (lower, upper))
        check_contrast(images, (lower, upper))
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from None
    images = images.astype("float32")
    # In place, so that large sets fit into memory.
    images -= lower
    images /= upper - lower
    return np.clip(images, 0.0, 1.0, out=images)


def label_indices(labels, name, num_images, class_names=None):
    """Converts labels to class indices, int32 `(N,)`.

    Args:
        labels: Integers `(N,)` or `(N, 1)`, one-hot rows `(N, classes)`, or
            strings.
        name: Name of the labels in errors.
        num_images: The number of images.
        class_names: The classes in the order of their indices; strings need
            them.

    Raises:
        ValueError: If the labels have another form.
    """
    labels = np.asarray(labels)
    check_count(name, labels, num_images)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind in "US":
        labels = _numbered(_text(labels, name), name, class_names)
    if labels.ndim == 2:
        labels = _from_one_hot(labels, name)
    if labels.ndim != 1:
        raise ValueError(
            f"`{name}` must have the shape (N,), (N, 1) or, one-hot, (N, "
            f"classes). Received: shape={labels.shape}."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            f"`{name}` must hold class indices, integers from 0. Received: "
            f"dtype={labels.dtype}, starting with {labels[:3].tolist()}. "
            "Number the classes with `np.unique(labels, return_inverse=True)`. "
            "Labels of -1 belong to a split whose labels are kept secret: "
            "choose another split."
        )
    if class_names is not None and labels.max() >= len(class_names):
        raise ValueError(
            f"`{name}` must lie in 0 to {len(class_names) - 1}, as there are "
            f"{len(class_names)} `class_names`. Received: {labels.max()}."
        )
    return labels.astype("int32")


def check_count(name, values, num_images):
    """Checks that labels or boxes have one row for each image."""
    count = len(values) if np.shape(values) else 0
    if count != num_images:
        raise ValueError(
            f"`{name}` must have one row for each image. Received: "
            f"{count} rows for {num_images} images. Check that both "
            "arrays were sliced in the same way."
        )


def _with_channels(images, name):
    """Checks the shape of images and adds an axis to those without channels."""
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"`{name}` must have the shape (N, H, W) or (N, H, W, C), with at "
            f"least one image. Received: shape={images.shape}. Reshape the "
            "array, and stack images of one size."
        )
    if images.ndim == 3:
        return images[..., None]
    if images.shape[1] in (1, 3) and images.shape[3] > 4:
        raise ValueError(
            f"`{name}` must have its channels last, (N, H, W, C). Received: "
            f"shape={images.shape}, which looks like channels first. Move "
            "the channels with `np.moveaxis(images, 1, -1)`."
        )
    return images


def _known_range(images, name):
    """Returns the value range of bytes, and of floats in `[0, 1]`."""
    if images.dtype == np.uint8:
        return 0, 255
    low, high = images.min(), images.max()
    # Comparisons with NaN are false, so that NaN is refused too.
    in_range = low >= 0.0 and high <= 1.0
    if np.issubdtype(images.dtype, np.floating) and in_range:
        return 0, 1
    raise ValueError(
        f"The value range of `{name}` is not known. Received: dtype="
        f"{images.dtype}, values in [{low}, {high}]. Only uint8, and floats "
        "in [0, 1], need no `value_range`. Pass the values of black and "
        "white, such as `value_range=(0, 255)` or `(-1, 1)`; undo any "
        "standardization by mean and deviation before."
    )


def _text(labels, name):
    """Decodes labels of bytes."""
    if labels.dtype.kind == "U":
        return labels
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`{name}` holds bytes that are not text in UTF-8: {error}. "
            "Decode them with `np.char.decode(labels, encoding)`."
        ) from None


def _numbered(labels, name, class_names):
    """Replaces the names of classes by their indices."""
    known = np.unique(labels).tolist()
    if class_names is None:
        raise ValueError(
            f"`{name}` holds strings, and the order of the classes is not "
            "known. Pass it as `class_names`, in the order of the model's "
            f"outputs. Received: {known[:10]}, {len(known)} different ones."
        )
    indices = {class_name: i for i, class_name in enumerate(class_names)}
    unknown = [label for label in known if label not in indices]
    if unknown:
        raise ValueError(
            f"`{name}` holds strings that are not among `class_names`. "
            f"Received: {unknown[:10]}, class_names={list(class_names)}."
        )
    return np.array([indices[label] for label in labels])


def _from_one_hot(labels, name):
    """Converts one-hot rows to class indices."""
    is_one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all()
    if not is_one_hot:
        raise ValueError(
            f"`{name}` has the shape {labels.shape}, and its rows are not "
            f"one-hot. Received: a first row of {labels[0].tolist()}. "
            "An `ImageSplit` holds one class for each image: pass soft labels "
            "to `fit` directly, or take `labels.argmax(axis=-1)`."
        )
    return labels.argmax(axis=1)


def chosen_column(kind, requested, columns, candidates):
    """Returns the name of a column: the requested one, or the only candidate.

    Args:
        kind: `"image"` or `"label"`.
        requested: The name that the caller asked for, or None.
        columns: The names of all columns.
        candidates: The names of the columns of this kind.

    Raises:
        ValueError: If there is no such column, or more than one.
    """
    if requested is not None:
        if requested not in columns:
            raise ValueError(
                f"There is no column {requested!r}. Received: "
                f"{kind}_column={requested!r}; the set has {sorted(columns)}."
            )
        return requested
    if len(candidates) != 1:
        number = "several columns" if candidates else "no column"
        raise ValueError(
            f"The set has {number} of {kind}s"
            + (f", {sorted(candidates)}" if candidates else "")
            + f". Choose one of {sorted(columns)} and pass it as "
            f"`{kind}_column`."
        )
    return candidates[0]
