"""Tests of boxes of all forms."""

import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.data import boxes_by_image
from keras_attn_defense.data import checked_boxes
from tests.visualization.helpers import frames

ONE, TWO = (0.25, 0.5, 1.0, 0.75), (0.0, 0.0, 0.5, 0.5)
PAD, NOT_A_NUMBER = (-1.0,) * 4, (np.nan,) * 4
EXPECTED = np.array([[ONE, TWO], [TWO, PAD], [PAD, PAD]])
FORMS = {
    "padded with -1": EXPECTED.astype("float32"),
    "padded with NaN": np.where(EXPECTED == -1, np.nan, EXPECTED),
    "padding first": np.array([[ONE, TWO], [PAD, TWO], [PAD, PAD]]),
    "a list": [[ONE, TWO], [TWO], []],
    "a list of arrays": [np.array([ONE, TWO]), np.array(TWO), np.zeros((0, 4))],
    "a tensor": ops.convert_to_tensor(EXPECTED, "float32"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_boxes(form):
    by_image = boxes_by_image(FORMS[form], 3)

    for boxes, expected in zip(by_image, ([ONE, TWO], [TWO], []), strict=True):
        np.testing.assert_array_equal(boxes.tolist(), expected)


def test_padding_and_rounding_become_one():
    over = np.float32([[1e-4, 0.0, 1.0001, 1.0], NOT_A_NUMBER])

    boxes = checked_boxes(over, 2)

    np.testing.assert_array_equal(boxes[:, 0], [over[0], PAD])


@pytest.mark.parametrize("form", FORMS)
def test_boxes_of_the_library_work_in_figures_and_studies(form):
    boxes = FORMS[form]
    maps = np.random.default_rng(0).uniform(0, 1, (3, 8, 8))
    figure = kad.visualization.attention_figure(
        maps[..., None], maps, boxes=boxes
    )

    assert [len(each) for each in frames(figure)[1::2]] == [2, 1, 0]
    np.testing.assert_allclose(frames(figure)[1][1], TWO)
    np.testing.assert_array_equal(
        kad.analysis.attention_completeness(maps[:2], boxes[:2]),
        kad.analysis.attention_completeness(maps[:2], EXPECTED[:2]),
    )


@pytest.mark.parametrize(
    "boxes, message",
    [
        ([[ONE], [(0, 0, 8, 8)]], "for image 1.*Divide pixels"),
        ([ONE, (0.5, 0, 0.5, 1)], "min < max.*for image 1.*without area"),
        ([ONE, (0, 0, 0, 0)], "rows of -1 are padding"),
        ([ONE, (0, 0, 1, np.nan)], "for image 1"),
        ([(-1, -1, 1, 1)] * 2, "for image 0"),
        ([ONE], "each of the 2 images.*1 entries"),
        ([(0, 0, 1)] * 2, r"shape=\(2, 3\)"),
        ([("a", "b", "c", "d")] * 2, "dtype=<U1"),
        (np.ones((2, 1, 1, 4)), r"shape=\(2, 1, 1, 4\)"),
    ],
)
def test_errors_name_the_image(boxes, message):
    with pytest.raises(ValueError, match=message):
        checked_boxes(boxes, 2)
