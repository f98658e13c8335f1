"""Charts as inline SVG, with all places computed here.

An SVG of some kilobytes works without a network, without JavaScript and in
print, follows the colors of the page, and its texts can be read aloud. Of the
libraries whose pages work offline, Plotly's script alone nearly fills the file,
Bokeh draws on a canvas, and Vega shows nothing without JavaScript.
"""

import math
from typing import NamedTuple

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 40, 36, 62
#: Labels of the horizontal axis that are closer than this would overlap.
_APART = 66


class Point(NamedTuple):
    """A point of a curve.

    Args:
        x: Its place on the horizontal axis.
        y: Its value.
        bounds: The interval of the value, or None.
        text: What is shown where somebody points at it.
    """

    x: float
    y: float
    bounds: tuple | None
    text: str


class Curve(NamedTuple):
    """A named list of points.

    Args:
        name: Its name.
        points: The list of `Point`.
        main: Whether it is the one that counts, and stands out.
    """

    name: str
    points: list
    main: bool = False


class Chart:
    """A chart of curves, in the units of its SVG.

    Args:
        title: What it shows, read aloud in place of the picture.
        curves: The list of `Curve`.
        ticks: `(place, label)` of each tick of the horizontal axis.
        x_title: The title of the horizontal axis.
        y_title: The title of the vertical axis.
        y_range: `(lower, upper)` values; None fits them to the curves.
    """

    width, height = _WIDTH, _HEIGHT
    left, right = _LEFT, _WIDTH - _RIGHT
    top, bottom = _TOP, _HEIGHT - _BOTTOM

    def __init__(self, title, curves, ticks, x_title, y_title, y_range=None):
        self.title = title
        self.x_title = x_title
        self.y_title = y_title
        self.places = sorted({p.x for curve in curves for p in curve.points})
        self.place_labels = [_label(place, ticks) for place in self.places]
        ends = [*self.places, *(x for x, _ in ticks)]
        self._x_range = _widened(min(ends), max(ends))
        steps = _steps(*(y_range or _widened(*_extent(curves))))
        self._y_range = steps[0], steps[-1]
        self.y_ticks = [(self._y(value), f"{value:g}") for value in steps]
        self.x_ticks = _apart([(self._x(x), label) for x, label in ticks])
        self.curves = [self._drawn(*each) for each in enumerate(curves)]

    def _x(self, value):
        low, high = self._x_range
        share = (value - low) / (high - low)
        return round(self.left + share * (self.right - self.left), 1)

    def _y(self, value):
        low, high = self._y_range
        share = (value - low) / (high - low)
        return round(self.bottom - share * (self.bottom - self.top), 1)

    def _drawn(self, number, curve):
        points = [
            {
                "x": self._x(point.x),
                "y": self._y(point.y),
                "place": self.places.index(point.x),
                "text": point.text,
            }
            for point in curve.points
        ]
        return {
            "name": curve.name,
            "main": curve.main,
            # Eight colors; then they repeat with another dash.
            "color": number % 8,
            "dash": number // 8 % 3,
            "points": points,
            "line": " ".join(f"{p['x']},{p['y']}" for p in points),
            "band": self._band(curve.points),
        }

    def _band(self, points):
        """The outline of the intervals; empty without any."""
        if any(point.bounds is None for point in points):
            return ""
        # Along the lower ends from left to right, and back along the upper
        # ones.
        low = [(point.x, point.bounds[0]) for point in points]
        high = [(point.x, point.bounds[1]) for point in points]
        return " ".join(
            f"{self._x(x)},{self._y(y)}" for x, y in low + high[::-1]
        )


def _label(place, ticks):
    """The label of a place, or the place itself."""
    return dict(ticks).get(place, f"{place:g}")


def _widened(low, high):
    """A range that is not empty."""
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _extent(curves):
    """The lowest and the highest value of all curves and intervals."""
    values = [
        value
        for curve in curves
        for point in curve.points
        for value in (point.y, *(point.bounds or ()))
    ]
    return min(values), max(values)


def _steps(low, high):
    """About five round values, from below the lowest to above the highest."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    # The smallest round step of at least a fifth; a little less will do too.
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= 0.99 * rough)
    # Rounding must not add a step.
    first = math.floor(low / step + 1e-6)
    last = math.ceil(high / step - 1e-6)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _apart(ticks):
    """Leaves out labels that would overlap, but not those at the ends."""
    kept, last = [], math.inf
    for x, label in reversed(ticks):
        first = x == ticks[0][0]
        if last - x >= _APART and (first or x - ticks[0][0] >= _APART):
            kept.append((x, label))
            last = x
        else:
            kept.append((x, ""))
    return kept[::-1]
