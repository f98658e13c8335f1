"""A figure of images and their attention before and after an attack."""

from collections.abc import Callable
from collections.abc import Sequence

import keras

from .._typing import Figure
from .._typing import Tensor
from .._typing import ValueRange
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..data import boxes_by_image
from ..data import to_numpy
from .arrays import check_lengths
from .arrays import displayed
from .arrays import first
from .explainer import Explainer
from .explainer import check_attack
from .explainer import in_range
from .overlay import overlay
from .perturbation_figure import TITLES
from .perturbation_figure import perturbation_rows
from .picture_grid import Caption
from .picture_grid import Cell
from .picture_grid import name_captions
from .picture_grid import picture_grid
from .picture_grid import prediction_captions

_TITLES = [
    *TITLES,
    "attention before",
    "attention after",
    "attention hidden",
]


def attack_figure(
    model: keras.Model,
    x: Tensor,
    y: Tensor,
    attack: Callable[..., Tensor],
    attention: AttentionMethod | str | None = None,
    *,
    mask: AttentionMask | None = None,
    class_names: Sequence[str] | None = None,
    boxes: Tensor | None = None,
    value_range: ValueRange | None = None,
    max_images: int = 6,
) -> Figure:
    """Draws images and the attention to them before and after an attack.

    Each image has a row: the image, the attacked image, the change magnified,
    the attention map before and after, and the image with its attention area
    hidden, with the predictions of the model. The caption of the map after
    the attack is the intersection over union of the two attention areas.

    Args:
        model: A Keras classifier, or an `AttentionDefendedModel`, whose
            attention, mask and value range are then the defaults.
        x: `(N, height, width, channels)`.
        y: True classes: indices `(N,)` or one-hot. Both maps look for
            them. None takes the class that is predicted for the image.
        attack: An attack, such as `kad.attacks.PGD()`.
        attention: The attention method, or its name. None means `GradCAM`.
        mask: The `AttentionMask` that defines the attention area. None means
            the positions above the map's mean.
        class_names: Names of the classes.
        boxes: Boxes to draw on the maps: `(N, 4)`, with `(x_min, y_min, x_max,
            y_max)` in fractions of width and height, `(N, n, 4)` padded with
            rows of -1, or a list of `(k, 4)`.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attack's, or the model's, or else `(0, 255)` for bytes and `(0, 1)`
            for others.
        max_images: Number of images to attack and draw, the first ones.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arguments do not fit together.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    attack = kad.attacks.PGD(epsilon=8 / 255)
    figure = kad.visualization.attack_figure(model, x[:2], y[:2], attack)
    figure.savefig("attack.png")
    ```
    """
    check_lengths(len(x), y=y, boxes=boxes)
    check_attack(attack)
    shown = first(max_images)
    x, y, boxes = (
        None if each is None else each[shown] for each in (x, y, boxes)
    )
    if value_range is None:
        value_range = getattr(attack, "value_range", None)
    explainer = Explainer(model, x, y, attention, mask, value_range)
    return draw_attack(explainer, attack, class_names, boxes)


def draw_attack(explainer, attack, class_names=None, boxes=None):
    """Draws the `attack_figure` of the images of an `Explainer`."""
    images, labels = explainer.images, explainer.labels
    num, value_range = len(images), explainer.value_range
    clean = explainer(images, labels)
    # Attack and maps are about the true class or, without labels, the class
    # that is predicted for the clean image.
    classes = clean.predictions if labels is None else labels
    attack = in_range(attack, explainer.model, value_range)
    adversarial = to_numpy(attack(explainer.model, images, classes))
    attacked = explainer(adversarial, classes)
    hidden = explainer.hidden(clean.maps)

    def predicted(predictions, confidences):
        return prediction_captions(
            predictions, confidences, labels, num, class_names
        )

    # The first three columns: image, attacked image, change.
    rows = perturbation_rows(
        images,
        adversarial,
        name_captions("true: ", labels, num, class_names),
        predicted(clean.predictions, clean.confidences),
        predicted(attacked.predictions, attacked.confidences),
        value_range,
    )
    # The last three columns: map before, map after, attention hidden.
    boxes = boxes_by_image(boxes, num)
    overlaps = explainer.overlap(clean.maps, attacked.maps)
    columns = [
        _column(
            overlay(images, clean.maps, value_range=value_range),
            name_captions("for ", classes, num, class_names),
            boxes,
        ),
        _column(
            overlay(adversarial, attacked.maps, value_range=value_range),
            [(Caption(f"IoU {each:.2f}"),) for each in overlaps],
            boxes,
        ),
        _column(
            displayed(hidden, value_range),
            predicted(*explainer.predict(hidden)),
            [None] * num,
        ),
    ]
    rows = [[*row, *cells] for row, *cells in zip(rows, *columns, strict=True)]
    return picture_grid(rows, _TITLES)


def _column(pictures, captions, boxes):
    """Returns one `Cell` for each image."""
    return [
        Cell(*parts) for parts in zip(pictures, captions, boxes, strict=True)
    ]
