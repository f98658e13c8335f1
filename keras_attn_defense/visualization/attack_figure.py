"""What an attack does to images, and to the attention to them."""

from collections.abc import Callable
from collections.abc import Sequence

import keras

from .._typing import Figure
from .._typing import Tensor
from .._typing import ValueRange
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..datasets.boxes import boxes_by_image
from .arrays import check_lengths
from .arrays import displayed
from .arrays import first
from .arrays import numpy
from .captions import Caption
from .captions import name_captions
from .captions import prediction_captions
from .explainer import Explainer
from .explainer import check_attack
from .explainer import in_range
from .overlay import overlay
from .perturbation_figure import TITLES
from .perturbation_figure import perturbation_rows
from .picture_grid import Cell
from .picture_grid import picture_grid

_TITLES = [
    *TITLES,
    "attention before",
    "attention after",
    "attention hidden",
]


def attack_figure(
    model: keras.Model,
    images: Tensor,
    labels: Tensor,
    attack: Callable[..., Tensor],
    attention: AttentionMethod | str | None = None,
    *,
    mask: AttentionMask | None = None,
    class_names: Sequence[str] | None = None,
    boxes: Tensor | None = None,
    value_range: ValueRange | None = None,
    max_images: int = 6,
) -> Figure:
    """Draws what an attack does to images, and to the attention to them.

    A row for each image: the image, the attacked image, the change magnified,
    the attention map before and after, and the image with its attention area
    hidden, with what the model predicts for each. Under the map after the
    attack stands the intersection over union of the two attention areas.

    Args:
        model: A Keras classifier, or an `AttentionDefendedModel`, whose
            attention, mask and value range are then the defaults.
        images: `(N, height, width, channels)`.
        labels: True classes: indices `(N,)` or one-hot. Both maps look for
            them. None takes the class that is predicted for the image.
        attack: An attack, such as `kad.attacks.PGD()`.
        attention: The attention method, or its name. None means `GradCAM`.
        mask: The `AttentionMask` that says what the attention area is. None
            means what lies above the map's mean.
        class_names: Names of the classes.
        boxes: Boxes to draw on the maps: `(N, 4)`, with `(x_min, y_min, x_max,
            y_max)` in fractions of width and height, `(N, n, 4)` padded with
            rows of -1, or a list of `(k, 4)`.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attack's, or the model's, or else `(0, 255)` for bytes and `(0, 1)`
            for others.
        max_images: Attack and draw only so many images, the first ones.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arguments do not fit.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    attack = kad.attacks.PGD(epsilon=8 / 255)
    figure = kad.visualization.attack_figure(model, x[:2], y[:2], attack)
    figure.savefig("attack.png")
    ```
    """
    check_lengths(len(images), labels=labels, boxes=boxes)
    check_attack(attack)
    shown = first(max_images)
    images, labels, boxes = (
        None if each is None else each[shown]
        for each in (images, labels, boxes)
    )
    if value_range is None:
        value_range = getattr(attack, "value_range", None)
    explainer = Explainer(model, images, labels, attention, mask, value_range)
    return draw_attack(explainer, attack, class_names, boxes)


def draw_attack(explainer, attack, class_names=None, boxes=None):
    """`attack_figure` of the images of an `Explainer`."""
    images, labels = explainer.images, explainer.labels
    clean = explainer(images, labels)
    classes = clean.predictions if labels is None else labels
    attack = in_range(attack, explainer.model, explainer.value_range)
    adversarial = numpy(attack(explainer.model, images, classes))
    attacked = explainer(adversarial, classes)
    hidden = explainer.hidden(clean.maps)

    def named(start, labels):
        return name_captions(start, labels, len(images), class_names)

    def said(predictions, confidences):
        return prediction_captions(
            predictions, confidences, labels, len(images), class_names
        )

    rows = perturbation_rows(
        images,
        adversarial,
        named("true: ", labels),
        said(*clean[:2]),
        said(*attacked[:2]),
        explainer.value_range,
    )
    overlaps = explainer.overlap(clean.maps, attacked.maps)
    boxes = boxes_by_image(boxes, len(images))
    value_range = {"value_range": explainer.value_range}
    columns = [
        (
            overlay(images, clean.maps, **value_range),
            named("for ", classes),
            boxes,
        ),
        (
            overlay(adversarial, attacked.maps, **value_range),
            [(Caption(f"IoU {each:.2f}"),) for each in overlaps],
            boxes,
        ),
        (displayed(hidden, **value_range), said(*explainer.predict(hidden))),
    ]
    for column in columns:
        for row, *cell in zip(rows, *column, strict=True):
            row.append(Cell(*cell))
    return picture_grid(rows, _TITLES)
