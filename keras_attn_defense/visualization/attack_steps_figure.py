"""A figure of the steps of an attack."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from .._typing import Figure
from .._typing import Tensor
from .._typing import ValueRange
from ..attention import AttentionMask
from ..attention import AttentionMethod
from .arrays import check_lengths
from .arrays import displayed
from .arrays import first
from .explainer import Explainer
from .explainer import check_attack
from .explainer import in_range
from .overlay import overlay
from .picture_grid import Caption
from .picture_grid import Cell
from .picture_grid import picture_grid
from .picture_grid import prediction_captions

_COLUMNS = 6


def attack_steps_figure(
    model: keras.Model,
    x: Tensor,
    y: Tensor,
    attack: Any,
    steps: Sequence[int] | None = None,
    attention: AttentionMethod | str | None = None,
    *,
    overlays: bool = True,
    mask: AttentionMask | None = None,
    class_names: Sequence[str] | None = None,
    value_range: ValueRange | None = None,
    max_images: int = 4,
) -> Figure:
    """Draws the steps of an iterative attack, one image in each row.

    The captions of each picture are the predicted class, its confidence, and
    the intersection over union (IoU) of the attention area with that of the
    clean image.

    Args:
        model: A Keras classifier, or an `AttentionDefendedModel`, whose
            attention, mask and value range are then the defaults.
        x: `(N, height, width, channels)`.
        y: True classes: indices `(N,)` or one-hot. The maps look for
            them. None takes the class that is predicted for the image.
        attack: An attack of a fixed number of gradient steps, such as
            `kad.attacks.PGD(steps=20)`.
        steps: The steps to show, such as `[0, 1, 5, 20]`; 0 is the clean
            image. None means up to six, evenly spread.
        attention: The attention method, or its name. None means `GradCAM`.
        overlays: Whether attention is laid over the images.
        mask: The `AttentionMask` that defines the attention area. None means
            the positions above the map's mean.
        class_names: Names of the classes.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attack's, or the model's, or else `(0, 255)` for bytes and `(0, 1)`
            for others.
        max_images: Number of images to attack and draw, the first ones.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arguments do not fit together, or the attack has no
            fixed number of steps.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    attack = kad.attacks.BIM(epsilon=8 / 255, steps=4)
    figure = kad.visualization.attack_steps_figure(
        model, x[:2], y[:2], attack, steps=[0, 1, 4]
    )
    ```
    """
    check_lengths(len(x), y=y)
    check_attack(attack, "trajectory")
    shown = first(max_images)
    y = None if y is None else y[shown]
    if value_range is None:
        value_range = getattr(attack, "value_range", None)
    explainer = Explainer(model, x[shown], y, attention, mask, value_range)
    clean = explainer(explainer.images, explainer.labels)
    classes = clean.predictions if y is None else explainer.labels
    attack = in_range(attack, model, explainer.value_range)
    path = attack.trajectory(model, explainer.images, classes)
    chosen = _chosen_steps(steps, len(path) - 1)
    columns = [
        _cells(
            explainer, path[step], clean.maps, classes, overlays, class_names
        )
        for step in chosen
    ]
    titles = [f"step {step}" if step else "clean" for step in chosen]
    return picture_grid(list(zip(*columns, strict=True)), titles)


def _cells(explainer, images, clean_maps, classes, overlays, class_names):
    """Returns the column of one step, a `Cell` for each image."""
    predictions, confidences, maps = explainer(images, classes)
    value_range = explainer.value_range
    pictures = (
        overlay(images, maps, value_range=value_range)
        if overlays
        else displayed(images, value_range)
    )
    predicted = prediction_captions(
        predictions, confidences, explainer.labels, len(images), class_names
    )
    overlaps = explainer.overlap(clean_maps, maps)
    return [
        Cell(picture, (*captions, Caption(f"IoU {overlap:.2f}")))
        for picture, captions, overlap in zip(
            pictures, predicted, overlaps, strict=True
        )
    ]


def _chosen_steps(steps, last):
    """Checks the steps to show, or chooses some that are evenly spread."""
    if steps is None:
        number = min(_COLUMNS, last + 1)
        return np.linspace(0, last, number).round().astype(int).tolist()
    known = range(last + 1)
    if not len(steps) or any(step not in known for step in steps):
        raise ValueError(
            f"`steps` should be numbers from 0, the clean image, to {last}, "
            f"the last step of the attack. Received: steps={steps}"
        )
    return list(steps)
