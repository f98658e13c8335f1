"""What is in a figure, and whether it can be read."""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def pictures(figure):
    """The pictures of a figure, in the order in which they are read."""
    return [axes.get_images()[0].get_array() for axes in figure.axes]


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def captions(figure):
    """The lines below each picture, found by where they stand."""
    FigureCanvasAgg(figure).draw()
    places = [axes.get_position() for axes in figure.axes]
    found = [[] for _ in places]
    for text in figure.texts:
        x, y = text.get_position()
        below = [
            (place.y0 - y, number)
            for number, place in enumerate(places)
            if place.x0 <= x <= place.x1 and y <= place.y0
        ]
        found[min(below)[1]].append(text.get_text())
    return found


def frames(figure):
    """The boxes on each picture: `(x_min, y_min, x_max, y_max)`."""
    return [
        [
            (x, 1 - y - patch.get_height(), x + patch.get_width(), 1 - y)
            for patch in axes.patches
            for x, y in [patch.get_xy()]
        ]
        for axes in figure.axes
    ]


def ticks_out_of_view(figure):
    """Labels that matplotlib has at hand but does not draw."""
    found = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            places = zip(
                axis.get_ticklocs(), axis.get_ticklabels(), strict=True
            )
            found.update(t for at, t in places if not low <= at <= high)
    return found


def assert_legible(figure):
    """No text runs into another one or out of the figure."""
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
