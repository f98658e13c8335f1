"""The drop in confidence when the attention area is hidden."""

import keras
import numpy as np
import scipy
from keras import ops

from .._typing import Tensor
from .._typing import ValueRange
from ..attention import AttentionMask
from ..classifier import Classifier
from ..classifier.predictor import Predictor
from ..data import check_images
from ..data import check_labels
from ..data import class_indices
from ..data import resolve_value_range
from .maps import checked_maps


def confidence_drop(
    model: keras.Model,
    x: Tensor,
    maps: Tensor,
    y: Tensor,
    mask: AttentionMask | None = None,
    *,
    value_range: ValueRange | None = None,
    batch_size: int = 128,
) -> np.ndarray:
    """Computes the drop in the class's probability when its area is hidden.

    It replaces completeness where there are no boxes: an incomplete area
    leaves evidence outside, and the probability drops less.

    Args:
        model: A Keras classifier.
        x: `(batch, height, width, channels)`.
        maps: Attention maps `(batch, h, w)` of any size.
        y: The classes, indices `(batch,)` or one-hot.
        mask: The `AttentionMask` that hides the area. None means the positions
            above the map's mean, in mid-gray.
        value_range: `(lower, upper)` bounds of the images. None means the
            model's `value_range`, or `(0.0, 1.0)`.
        batch_size: Number of images in one call of the model.

    Returns:
        `(batch,)` from -1 to 1, in NumPy.

    Raises:
        ValueError: If images, maps and labels do not fit together.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    drop = kad.analysis.confidence_drop(model, x, maps, y)
    ```
    """
    bounds = resolve_value_range(model, value_range)
    check_images(x, bounds)
    maps = checked_maps(maps)
    if len(maps) != len(x):
        raise ValueError(
            f"Received {len(x)} images and {len(maps)} maps. Expected "
            "one map for each image."
        )
    classifier = Classifier(model)
    check_labels(y, classifier.num_classes, len(x))
    classes = class_indices(y, classifier.num_classes)
    x = np.asarray(ops.convert_to_numpy(x), "float32")
    drop = ConfidenceDrop(Predictor(classifier, batch_size), mask, bounds)
    classes = np.asarray(ops.convert_to_numpy(classes))
    return drop(x, maps, classes, drop.predictor.logits(x))


class ConfidenceDrop:
    """Computes `confidence_drop` of checked arrays, with compiled code.

    Args:
        predictor: A `Predictor`.
        mask: The `AttentionMask`, or None.
        value_range: `(lower, upper)` bounds of the images.
    """

    def __init__(self, predictor, mask, value_range):
        self.predictor = predictor
        self.mask = mask or AttentionMask(value_range=value_range)

    def __call__(self, images, maps, labels, logits):
        """Computes the drop.

        Args:
            images: Images in NumPy.
            maps: Their maps.
            labels: Their classes `(N,)`.
            logits: What the model predicts for the images, in NumPy.
        """
        maps = ops.convert_to_tensor(maps, "float32")
        masked = self.mask(ops.convert_to_tensor(images), maps)
        masked = self.predictor.logits(ops.convert_to_numpy(masked))
        return _confidence(logits, labels) - _confidence(masked, labels)


def _confidence(logits, labels):
    """Returns the probability of each image's class."""
    probabilities = scipy.special.softmax(logits, axis=-1)
    return probabilities[np.arange(len(labels)), labels].astype("float64")
