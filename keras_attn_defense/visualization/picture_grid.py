"""A grid of pictures with captions that do not overlap."""

from typing import NamedTuple

import numpy as np

from ..data import to_numpy
from .style import BLACK
from .style import CAPTION
from .style import GRAY
from .style import RIGHT
from .style import TITLE
from .style import WIDTH
from .style import WRONG
from .style import fitted
from .style import new_figure

# Inches.
_LARGEST_SIDE = 2.0
_GAP = 0.1
_LINE = 0.17
_TITLE_HEIGHT = 0.28


class Cell(NamedTuple):
    """One picture of the grid.

    Args:
        picture: `(height, width, 3)` from 0 to 1.
        captions: The `Caption`s under it.
        boxes: Boxes around objects, `(k, 4)`.
    """

    picture: np.ndarray
    captions: tuple = ()
    boxes: np.ndarray | None = None


def picture_grid(rows, titles):
    """Draws rows of pictures with captions below them.

    Args:
        rows: Lists of `Cell`s of one picture size; the last may be shorter.
        titles: Titles of the columns.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    columns, num_rows = len(titles), len(rows)
    side = min(_LARGEST_SIDE, (WIDTH - _GAP) / columns - _GAP)
    height = side * rows[0][0].picture.shape[0] / rows[0][0].picture.shape[1]
    lines = max(len(cell.captions) for row in rows for cell in row)
    step = height + lines * _LINE + _GAP
    total = (columns * (side + _GAP) + _GAP, num_rows * step + _TITLE_HEIGHT)
    # Everything is placed by hand, in inches from the lower left corner: an
    # automatic layout does not know the captions.
    figure = new_figure(*total, layout=None)
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            left = _GAP + column * (side + _GAP)
            bottom = total[1] - _TITLE_HEIGHT - row * step - height
            # Matplotlib takes shares of the size of the figure.
            place = np.array([left, bottom, side, height])
            axes = figure.add_axes(place / np.tile(total, 2))
            _draw(axes, cell)
            _write(figure, cell.captions, left + side / 2, bottom, side)
            if row == 0:
                title = fitted(titles[column], side, TITLE)
                axes.set_title(title, fontsize=TITLE, pad=4, parse_math=False)
    return figure


def _draw(axes, cell):
    """Draws the picture and the boxes of a cell."""
    axes.imshow(cell.picture, vmin=0, vmax=1, aspect="auto")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if cell.boxes is not None:
        for box in cell.boxes:
            axes.add_patch(_frame(box, axes))


def _write(figure, captions, center, bottom, side):
    """Writes captions below a picture, one on each line."""
    for number, caption in enumerate(captions):
        figure.text(
            center / figure.get_figwidth(),
            (bottom - 0.04 - number * _LINE) / figure.get_figheight(),
            fitted(caption.text, side, CAPTION),
            color=caption.color,
            fontsize=CAPTION,
            horizontalalignment="center",
            verticalalignment="top",
            parse_math=False,
        )


def _frame(box, axes):
    """Returns a white frame with a dark outline, visible on any picture."""
    from matplotlib import patheffects
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box
    outline = patheffects.withStroke(linewidth=2.4, foreground="black")
    return Rectangle(
        (left, 1 - bottom),
        right - left,
        bottom - top,
        transform=axes.transAxes,
        fill=False,
        edgecolor="white",
        linewidth=1.2,
        path_effects=[outline],
    )


class Caption(NamedTuple):
    """One line under a picture.

    Args:
        text: The text, shortened where there is no room.
        color: Its color.
    """

    text: str
    color: str = GRAY


def class_name(index, class_names=None):
    """Returns the name of a class, or "class 3" where names are not known."""
    if class_names is None:
        return f"class {int(index)}"
    if not 0 <= index < len(class_names):
        raise ValueError(
            f"`class_names` has {len(class_names)} names, for the classes 0 to "
            f"{len(class_names) - 1}. Received: class {int(index)}."
        )
    return str(class_names[int(index)])


def name_captions(start, labels, num, class_names=None):
    """Returns the captions of known classes.

    Args:
        start: Text before the name.
        labels: Class indices `(num,)`, or None.
        num: Number of images.
        class_names: Names of the classes, if any.

    Returns:
        A tuple of captions for each image, empty without labels.
    """
    if labels is None:
        return [()] * num
    return [
        (Caption(start + class_name(each, class_names)),)
        for each in to_numpy(labels)
    ]


def prediction_captions(
    predictions, confidences, labels, num, class_names=None
):
    """Returns the captions of predictions, green or red if labels are known.

    Args:
        predictions: Class indices `(num,)`, or None.
        confidences: Their probabilities `(num,)`, or None.
        labels: The true classes `(num,)`, or None.
        num: Number of images.
        class_names: Names of the classes, if any.

    Returns:
        A tuple of captions for each image, empty without predictions.
    """
    if predictions is None:
        return [()] * num
    # Missing columns become None for each image.
    columns = [
        [None] * num if each is None else to_numpy(each)
        for each in (predictions, confidences, labels)
    ]
    return [
        _prediction_lines(*each, class_names)
        for each in zip(*columns, strict=True)
    ]


def _prediction_lines(prediction, confidence, label, class_names):
    name, color = class_name(prediction, class_names), BLACK
    if label is not None:
        mark, color = ("✓", RIGHT) if prediction == label else ("✗", WRONG)
        name = f"{mark} {name}"
    if confidence is None:
        return (Caption(name, color),)
    return Caption(name, color), Caption(_percent(confidence), color)


def _percent(confidence):
    if not (np.isnan(confidence) or 0 <= confidence <= 1):
        raise ValueError(
            "Confidences should be probabilities from 0 to 1. Received: "
            f"{confidence}"
        )
    return f"{100 * confidence:.0f} %"
