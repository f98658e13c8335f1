"""A figure of images and their attention."""

from collections.abc import Sequence

from .._typing import Figure
from .._typing import Tensor
from .._typing import ValueRange
from ..data import boxes_by_image
from ..data import to_numpy
from .arrays import check_lengths
from .arrays import displayed
from .arrays import first
from .arrays import label_indices
from .overlay import overlay
from .picture_grid import Cell
from .picture_grid import name_captions
from .picture_grid import picture_grid
from .picture_grid import prediction_captions

_COLUMNS = 6


def attention_figure(
    x: Tensor,
    maps: Tensor,
    y: Tensor | None = None,
    predictions: Tensor | None = None,
    confidences: Tensor | None = None,
    *,
    explained: Tensor | None = None,
    class_names: Sequence[str] | None = None,
    boxes: Tensor | None = None,
    value_range: ValueRange | None = None,
    limits: ValueRange | None = None,
    max_images: int = 12,
) -> Figure:
    """Draws images, each with its attention maps as overlays.

    Args:
        x: `(N, height, width, channels)`, with any number of channels.
        maps: Attention maps `(N, h, w)`, or a dict of them by the title of
            their column.
        y: True classes: indices `(N,)` or one-hot.
        predictions: Predicted classes `(N,)`.
        confidences: Probabilities of the predictions `(N,)`.
        explained: The classes that the maps look for: indices `(N,)` or
            one-hot.
        class_names: Names of the classes.
        boxes: Boxes to draw on the maps: `(N, 4)`, with `(x_min, y_min, x_max,
            y_max)` in fractions of width and height, `(N, n, 4)` padded with
            rows of -1, or a list of `(k, 4)`.
        value_range: `(lower, upper)` bounds of the images. None means
            `(0, 255)` for bytes (uint8) and `(0, 1)` for others.
        limits: `(low, high)`, the map's values of the first and of the last
            color. None takes the lowest and the highest of each map.
        max_images: Number of images to draw, the first ones.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If arguments do not fit together or are not finite.
        ImportError: If matplotlib is not installed.

    Example:

    ```python
    maps = kad.attention.GradCAM(model=model)(x, y)
    figure = kad.visualization.attention_figure(x[:2], maps[:2], y[:2])
    figure.savefig("attention.png")
    ```
    """
    if not isinstance(maps, dict):
        maps = {"attention": maps}
    x, num = to_numpy(x), len(x)
    check_lengths(
        num,
        y=y,
        predictions=predictions,
        confidences=confidences,
        explained=explained,
        boxes=boxes,
        **{f"maps[{name!r}]": each for name, each in maps.items()},
    )
    shown = first(max_images)
    x, y, predictions, confidences, explained, boxes = (
        None if each is None else each[shown]
        for each in (
            x,
            y,
            predictions,
            confidences,
            explained,
            boxes,
        )
    )
    y, explained = label_indices(y), label_indices(explained)
    num = len(x)
    overlays = [
        overlay(x, each[shown], value_range=value_range, limits=limits)
        for each in maps.values()
    ]
    pictures = zip(
        displayed(x, value_range),
        name_captions("true: ", y, num, class_names),
        prediction_captions(predictions, confidences, y, num, class_names),
        name_captions("for ", explained, num, class_names),
        boxes_by_image(boxes, num),
        *overlays,
        strict=True,
    )
    # One group for each image: the image itself, and one overlay a method.
    groups = [
        [
            Cell(picture, name + prediction),
            *(Cell(overlaid, target, box) for overlaid in of_image),
        ]
        for picture, name, prediction, target, box, *of_image in pictures
    ]
    return _side_by_side(groups, ["image", *maps])


def _side_by_side(groups, titles):
    """Draws as many images in each row as there is room for."""
    number = min(max(_COLUMNS // len(titles), 1), len(groups))
    rows = [
        sum(groups[first : first + number], [])
        for first in range(0, len(groups), number)
    ]
    return picture_grid(rows, titles * number)
