"""Tests of charts: every place on them follows from its value."""

import numpy as np
import pytest

from keras_attn_defense.pages.chart import Chart
from keras_attn_defense.pages.chart import Curve
from keras_attn_defense.pages.chart import Point

pytestmark = pytest.mark.once


def chart_of(values, y_range=None, ticks=None):
    points = [Point(x, y, (y - 1, y + 1), str(y)) for x, y in values]
    ticks = ticks or [(x, f"{x:g}") for x, _ in values]
    return Chart("title", [Curve("one", points)], ticks, "x", "y", y_range)


def test_points_lie_where_the_axes_say():
    chart = chart_of([(0, 0), (1, 40), (4, 100)], (0, 100))
    ticks = {text: y for y, text in chart.y_ticks}
    assert list(ticks) == ["0", "20", "40", "60", "80", "100"]
    assert (ticks["0"], ticks["100"]) == (chart.bottom, chart.top)
    points = chart.curves[0]["points"]
    assert [p["y"] for p in points] == [ticks[t] for t in ("0", "40", "100")]
    assert [p["x"] for p in points] == [x for x, _ in chart.x_ticks]
    first, second, last = (p["x"] for p in points)
    assert (second - first) * 4 == pytest.approx(last - first, abs=1)
    corners = [p.split(",") for p in chart.curves[0]["band"].split()]
    heights = np.array(corners, float)[:, 1]
    assert len(heights) == 6 and heights[0] > points[0]["y"] > heights[-1]


@pytest.mark.parametrize(
    "low, high", [(0.0, 1.0), (0.885, 0.91), (-3, 7000), (2.0, 2.0)]
)
def test_axes_are_round_and_hold_all_values(low, high):
    chart = chart_of([(0, low), (1, high)])
    values = [float(text) for _, text in chart.y_ticks]
    assert 4 <= len(values) <= 12
    assert values[0] <= low - 1 and high + 1 <= values[-1]
    np.testing.assert_allclose(np.diff(values), values[1] - values[0])


def test_labels_of_close_ticks_keep_apart():
    radii = [0, 0.25, 0.5, 1, 2, 4, 32]
    chart = chart_of([(x, x) for x in radii])
    assert [text for _, text in chart.x_ticks] == ["0", *[""] * 4, "4", "32"]


def test_one_point_and_ticks_beyond_it():
    chart = chart_of([(0.5, 3)], ticks=[(0.0, "0"), (1.0, "1")])
    (point,) = chart.curves[0]["points"]
    assert point["x"] == (chart.left + chart.right) / 2
    assert chart_of([(2, 3)]).curves[0]["points"][0]["place"] == 0
