"""Access to the parts of a figure, and a check that it is legible."""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def pictures(figure):
    """Returns the pictures of a figure, in reading order."""
    return [axes.get_images()[0].get_array() for axes in figure.axes]


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def captions(figure):
    """Returns the lines below each picture, assigned by their positions."""
    FigureCanvasAgg(figure).draw()
    places = [axes.get_position() for axes in figure.axes]
    lines = [[] for _ in places]
    for text in figure.texts:
        x, y = text.get_position()
        below = [
            (place.y0 - y, number)
            for number, place in enumerate(places)
            if place.x0 <= x <= place.x1 and y <= place.y0
        ]
        lines[min(below)[1]].append(text.get_text())
    return lines


def frames(figure):
    """Returns the boxes on each picture: `(x_min, y_min, x_max, y_max)`."""
    return [
        [
            (x, 1 - y - patch.get_height(), x + patch.get_width(), 1 - y)
            for patch in axes.patches
            for x, y in [patch.get_xy()]
        ]
        for axes in figure.axes
    ]


def ticks_out_of_view(figure):
    """Returns labels outside of the axes, which matplotlib does not draw."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            places = zip(
                axis.get_ticklocs(), axis.get_ticklabels(), strict=True
            )
            hidden.update(t for at, t in places if not low <= at <= high)
    return hidden


def assert_legible(figure):
    """Checks that no text overlaps with another or leaves the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = {}
    for text in set(figure.findobj(Text)) - ticks_out_of_view(figure):
        if text.get_visible() and text.get_text().strip():
            boxes[text] = text.get_window_extent(renderer)
    width, height = figure.bbox.size
    for text, box in boxes.items():
        inside = 0 <= box.x0 and box.x1 <= width
        assert inside and 0 <= box.y0 and box.y1 <= height, text
    for one, other in itertools.combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)
    return np.array(canvas.buffer_rgba())
