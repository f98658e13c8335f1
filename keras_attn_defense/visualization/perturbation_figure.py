"""A figure of images before and after an attack, with their change."""

from collections.abc import Sequence

import numpy as np

from .._typing import Figure
from .._typing import Tensor
from .._typing import ValueRange
from ..data import to_numpy
from .arrays import check_lengths
from .arrays import displayed
from .arrays import first
from .arrays import image_range
from .arrays import label_indices
from .picture_grid import Caption
from .picture_grid import Cell
from .picture_grid import name_captions
from .picture_grid import picture_grid
from .picture_grid import prediction_captions

TITLES = ["image", "attacked", "change, magnified"]


def perturbation_figure(
    x: Tensor,
    x_adv: Tensor,
    y: Tensor | None = None,
    predictions: Tensor | None = None,
    adversarial_predictions: Tensor | None = None,
    *,
    confidences: Tensor | None = None,
    adversarial_confidences: Tensor | None = None,
    class_names: Sequence[str] | None = None,
    value_range: ValueRange | None = None,
    max_images: int = 6,
) -> Figure:
    """Draws images before and after an attack, and the change magnified.

    Args:
        x: `(N, height, width, channels)`, with any number of channels.
        x_adv: The attacked images, of the same shape.
        y: True classes: indices `(N,)` or one-hot.
        predictions: Predicted classes `(N,)` of the images.
        adversarial_predictions: Predicted classes `(N,)` of the attacked
            images.
        confidences: Probabilities of the predictions `(N,)`.
        adversarial_confidences: Probabilities of the predictions `(N,)` for
            the attacked images.
        class_names: Names of the classes.
        value_range: `(lower, upper)` bounds of the images. None means
            `(0, 255)` for bytes (uint8) and `(0, 1)` for others.
        max_images: Number of images to draw, the first ones.

    Returns:
        A `matplotlib.figure.Figure`. Gray means no change. The caption of the
        change is its largest value, in the units of the images, and how many
        times it was magnified.

    Raises:
        ValueError: If arguments do not fit together or are not finite.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    x_adv = kad.attacks.PGD()(model, x, y)
    figure = kad.visualization.perturbation_figure(x, x_adv, y, max_images=2)
    ```
    """
    check_lengths(
        len(x),
        x_adv=x_adv,
        y=y,
        predictions=predictions,
        adversarial_predictions=adversarial_predictions,
        confidences=confidences,
        adversarial_confidences=adversarial_confidences,
    )
    shown = first(max_images)
    x, x_adv, y, *outputs = (
        None if each is None else each[shown]
        for each in (
            x,
            x_adv,
            y,
            predictions,
            confidences,
            adversarial_predictions,
            adversarial_confidences,
        )
    )
    y, num = label_indices(y), len(x)
    # Predictions and confidences before the attack, then those after it.
    before, after = (
        prediction_captions(predicted, confidence, y, num, class_names)
        for predicted, confidence in (outputs[:2], outputs[2:])
    )
    names = name_captions("true: ", y, num, class_names)
    rows = perturbation_rows(x, x_adv, names, before, after, value_range)
    return picture_grid(rows, TITLES)


def perturbation_rows(images, adversarial, names, before, after, value_range):
    """Returns the rows of `perturbation_figure`.

    Args:
        images: The images.
        adversarial: The attacked images.
        names: For each image, the captions of its true class.
        before: For each image, the captions of its prediction.
        after: For each attacked image, the captions of its prediction.
        value_range: `(lower, upper)` bounds of the images, or None.

    Returns:
        A list with a list of three `Cell`s for each image.
    """
    changes, sizes = _magnified(images, adversarial, value_range)
    columns = zip(
        displayed(images, value_range),
        displayed(adversarial, value_range),
        changes,
        sizes,
        names,
        before,
        after,
        strict=True,
    )
    return [
        [
            Cell(clean, name + prediction),
            Cell(attacked, prediction_adv),
            Cell(change, size),
        ]
        for (
            clean,
            attacked,
            change,
            size,
            name,
            prediction,
            prediction_adv,
        ) in columns
    ]


def _magnified(images, adversarial, value_range):
    """Returns the changes as pictures, and captions of their sizes."""
    lower, upper = image_range(images, value_range)
    images, adversarial = (
        to_numpy(each).astype("float32") for each in (images, adversarial)
    )
    if images.shape != adversarial.shape:
        raise ValueError(
            "`x_adv` should have the shape of the images, "
            f"{images.shape}. Received: {adversarial.shape}"
        )
    changes = adversarial - images
    sizes = abs(changes).max((1, 2, 3), keepdims=True)
    # The largest change becomes black or white, no change gray.
    pictures = displayed(changes / np.where(sizes > 0, sizes, 1), (-1, 1))
    return pictures, [_size_captions(s, upper - lower) for s in sizes.flat]


def _size_captions(size, span):
    if not size:
        return (Caption("unchanged"),)
    return (
        Caption(f"at most {size:.2g}"),
        Caption(f"shown {span / (2 * size):.2g}-fold"),
    )
