"""Notice what happens to images before the first weights see them."""

import warnings
from typing import Any

from keras import layers

from .._typing import ValueRange

_RESCALE = (layers.Rescaling, layers.Normalization)
# Ranges in use are 1, 2 or 255 wide, so this tells them apart.
_NARROW = 10.0


def built_in_preprocessing(classifier: Any) -> Any:
    """Returns the layer by which a model rescales its input, or None."""
    for call in getattr(classifier, "calls", ()):
        if isinstance(call.layer, _RESCALE):
            return call.layer
        # The first weights see the images as they are: nothing behind them
        # rescales the input.
        if call.layer.weights:
            return None
    return None


def check_built_in_scale(classifier: Any, value_range: ValueRange) -> None:
    """Warns if a model's own rescaling leaves almost nothing of its images.

    Args:
        classifier: A `Classifier`.
        value_range: `(lower, upper)` bounds of the images.
    """
    layer = built_in_preprocessing(classifier)
    scale = getattr(layer, "scale", None)
    width = value_range[1] - value_range[0]
    if isinstance(scale, float) and width <= _NARROW and scale <= 1 / 100:
        warnings.warn(
            f"The model '{classifier.model.name}' begins with the layer "
            f"'{layer.name}', which multiplies images by {scale:.4g}: it is "
            f"made for values from 0 to 255. Images have value_range="
            f"{value_range}. Pass value_range=(0, 255) and such images, or "
            "`kad.preprocessing.with_preprocessing(model, (0, 255), "
            f"value_range={value_range})` in place of the model.",
            stacklevel=3,
        )
