"""Augmentation of clean images inside the training step."""

import keras
from keras import ops

from ..classifier import all_layers
from ..data import class_probabilities

_MIXES_LABELS = (keras.layers.MixUp, keras.layers.CutMix)


def check_augmentation(augmentation, value_range, num_outputs):
    """Returns the augmentation as one layer, or None.

    Args:
        augmentation: A Keras layer, a list of them, or None.
        value_range: `(lower, upper)` bounds of the images.
        num_outputs: Number of the classifier's outputs.

    Raises:
        ValueError: If it is not a Keras layer, or does not fit the model.
    """
    if augmentation is None:
        return None
    layers = augmentation if isinstance(augmentation, list) else [augmentation]
    if not layers or not all(isinstance(x, keras.Layer) for x in layers):
        raise ValueError(
            "`augmentation` should be a layer of Keras' image preprocessing, "
            "or a list of them, such as `[keras.layers.RandomFlip(), "
            f"keras.layers.MixUp()]`. Received: augmentation={augmentation!r}"
        )
    if isinstance(augmentation, list):
        augmentation = keras.layers.Pipeline(layers)
    parts = _parts(augmentation)
    for part in parts:
        if isinstance(part, keras.layers.Pipeline):
            # Its layers build themselves; Keras would try it in compiled code.
            part.built = True
        its_range = tuple(getattr(part, "value_range", value_range))
        if its_range != value_range:
            raise ValueError(
                f"{type(part).__name__} has value_range={its_range}, the "
                f"model value_range={value_range}. Give both the range of the "
                "images; Keras' own default is (0, 255)."
            )
    if num_outputs == 1 and any(isinstance(x, _MIXES_LABELS) for x in parts):
        raise ValueError(
            "MixUp and CutMix make soft labels, which need an output for each "
            "class. Received: a classifier with a single output. Give it two."
        )
    return augmentation


def augmented(augmentation, images, labels, value_range, num_classes):
    """A batch after augmentation.

    Args:
        augmentation: The layer.
        images: Float32 tensor `(batch, height, width, channels)`.
        labels: Class indices, one-hot or soft labels.
        value_range: `(lower, upper)` bounds that the images keep.
        num_classes: Number of classes.

    Returns:
        Images, and labels `(batch, num_classes)`, in float32.
    """
    labels = class_probabilities(labels, num_classes)
    batch = {"images": images, "labels": labels}
    batch = augmentation(batch, training=True)
    # Interpolation and contrast may leave the range.
    images = ops.clip(ops.cast(batch["images"], "float32"), *value_range)
    return images, ops.cast(batch["labels"], "float32")


def _parts(layer):
    """The layer itself, with those of a pipeline, or those of a model."""
    if isinstance(layer, keras.layers.Pipeline):
        return [layer, *(part for x in layer.layers for part in _parts(x))]
    return all_layers(layer) if isinstance(layer, keras.Model) else [layer]
