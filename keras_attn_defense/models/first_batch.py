"""Look at training data before the first step, without losing any."""

import keras

from ..classifier import check_images
from ..classifier import check_labels


def check_first_batch(x, y, value_range, num_classes):
    """Checks images and labels that `fit` is about to train on.

    Arrays are checked whole, data sets by their first batch.

    Args:
        x: Whatever `fit` takes as `x`.
        y: Whatever `fit` takes as `y`.
        value_range: `(lower, upper)` bounds of the images.
        num_classes: Number of classes.

    Returns:
        `x` to train on: the same, or for a generator an equal one, as its
        first batch cannot be read twice.

    Raises:
        ValueError: If images or labels are not what the model expects.
    """
    if hasattr(x, "shape"):
        batch = (x, y)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    elif hasattr(x, "__next__"):
        batch = next(x, None)
        x = x if batch is None else _again(batch, x)
    else:
        batch = next(iter(x), None)
    if batch is None:
        return x
    images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    if hasattr(images, "shape"):
        check_images(images, value_range)
        if labels is None:
            raise ValueError(
                "Adversarial training needs labels. Received images only; "
                "pass `y`, or a data set of (images, labels)."
            )
        check_labels(labels, num_classes, len(images))
    return x


def _again(first, rest):
    # Keras recognises generators by their type.
    yield first
    yield from rest
