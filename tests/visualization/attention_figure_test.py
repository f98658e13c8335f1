"""Tests of the figure of images and their attention."""

import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.visualization.helpers import assert_legible
from tests.visualization.helpers import captions
from tests.visualization.helpers import frames
from tests.visualization.helpers import pictures
from tests.visualization.helpers import titles

pytestmark = pytest.mark.once

IMAGES, LABELS = networks.images_and_labels(5)
MAPS = np.random.default_rng(1).uniform(0, 1, (5, 8, 8)).astype("float32")
LONG = "a class name that is far longer than any picture is wide " * 2


def test_pictures_and_captions():
    figure = kad.visualization.attention_figure(
        IMAGES,
        MAPS,
        LABELS,
        predictions=[0, 1, 2, 0, 0],
        confidences=[1.0, 0.5, 0.254, 0.256, 0.0],
        explained=LABELS,
        class_names=["cat", "dog", "$x$", "gnu"],
    )
    drawn = pictures(figure)
    np.testing.assert_array_equal(drawn[0::2], IMAGES)
    overlaid = kad.visualization.overlay(IMAGES, MAPS)
    np.testing.assert_array_equal(drawn[1::2], overlaid)
    # Three images to a row.
    assert titles(figure) == ["image", "attention"] * 3
    assert captions(figure) == [
        ["true: cat", "✓ cat", "100 %"],
        ["for cat"],
        ["true: dog", "✓ dog", "50 %"],
        ["for dog"],
        ["true: $x$", "✓ $x$", "25 %"],
        ["for $x$"],
        ["true: gnu", "✗ cat", "26 %"],
        ["for gnu"],
        ["true: cat", "✓ cat", "0 %"],
        ["for cat"],
    ]
    right, wrong = (
        {t.get_color() for t in figure.texts if m in t.get_text()} for m in "✓✗"
    )
    assert right == {"#1a7f37"} and wrong == {"#c62828"}
    assert_legible(figure)


def test_only_what_is_known_is_written():
    figure = kad.visualization.attention_figure(IMAGES[:1], MAPS[:1])
    assert titles(figure) == ["image", "attention"]
    assert not figure.texts
    figure = kad.visualization.attention_figure(
        IMAGES, MAPS, predictions=LABELS, max_images=2
    )
    assert captions(figure) == [["class 0"], [], ["class 1"], []]


def test_several_methods_and_one_hot_labels():
    figure = kad.visualization.attention_figure(
        IMAGES, {"one": MAPS, "another": MAPS[::-1]}, np.eye(4)[LABELS]
    )
    overlaid = kad.visualization.overlay(IMAGES, MAPS[::-1])
    np.testing.assert_array_equal(pictures(figure)[2::3], overlaid)
    assert titles(figure) == ["image", "one", "another"] * 2
    assert captions(figure)[::3] == [[f"true: class {i}"] for i in LABELS]


def test_boxes():
    box = (0.25, 0.5, 1.0, 0.75)
    several = [[box], [], [box, (0, 0, 0.5, 0.5)], [], []]
    for boxes, numbers in (([box] * 5, [1] * 5), (several, [1, 0, 2, 0, 0])):
        figure = kad.visualization.attention_figure(IMAGES, MAPS, boxes=boxes)
        drawn = frames(figure)
        assert [len(each) for each in drawn[1::2]] == numbers
        assert not any(drawn[0::2])
        np.testing.assert_allclose(drawn[1][0], box)


@pytest.mark.parametrize("shape", [(8, 16, 3), (16, 8, 3), (8, 8, 1)])
@pytest.mark.parametrize("number", [1, 4])
def test_long_names_do_not_run_into_each_other(shape, number):
    images, labels = networks.images_and_labels(number, shape)
    names = [LONG, "W" * 60, "é" * 90, "short"]
    maps = {LONG: images[..., 0], "W" * 99: images[..., 0]}
    figure = kad.visualization.attention_figure(
        images,
        maps,
        labels,
        labels,
        np.ones(number),
        explained=labels,
        class_names=names,
    )
    rendered = assert_legible(figure)
    # A README is 900 pixels wide: at that size letters are 11 pixels high.
    assert rendered.shape[1] <= 1.5 * 900
    first = figure.texts[0].get_text()
    assert first.startswith("true: a class") and first.endswith("…")
    height, width = figure.axes[0].bbox.height, figure.axes[0].bbox.width
    np.testing.assert_allclose(height / width, shape[0] / shape[1], rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"y": LABELS[:3]}, "`y`.*each of the 5 images.*3 entries"),
        ({"predictions": [1]}, "`predictions`.*each of the 5 images"),
        ({"boxes": [(0, 0, 1, 1)]}, "`boxes`.*5 images. Received: 1"),
        ({"boxes": [(0, 0, 8, 8)] * 5}, "fractions.*Divide pixels"),
        ({"boxes": [(0.5, 0, 0.5, 1)] * 5}, "min < max"),
        ({"boxes": [(0, 0, 1)] * 5}, "x_min, y_min, x_max, y_max"),
        ({"boxes": [(0, 0, 1, np.nan)] * 5}, "x_min, y_min, x_max, y_max"),
        ({"y": LABELS, "class_names": ["a"]}, "1 names.*class 1"),
        ({"y": LABELS - 1, "class_names": "abcd"}, "4 names.*class -1"),
        (
            {"predictions": LABELS, "confidences": [87.0] * 5},
            "probabilities from 0 to 1",
        ),
        ({"maps": {"one": MAPS[:1]}}, r"maps\['one'\].*5 images"),
        ({"x": IMAGES[:0], "maps": MAPS[:0]}, "no images to draw"),
    ],
)
def test_bad_input(arguments, message):
    arguments = {"x": IMAGES, "maps": MAPS, **arguments}
    with pytest.raises(ValueError, match=message):
        kad.visualization.attention_figure(**arguments)
