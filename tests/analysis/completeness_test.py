"""Tests of completeness on areas counted by hand."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.analysis import attention_completeness

LEFT_HALF = (0.0, 0.0, 0.5, 1.0)


def ramp(height=4, width=4):
    """Returns a map that is highest at the left border, and at its top."""
    return -np.arange(height * width).reshape(width, height).T.astype(float)


def test_area_is_as_large_as_the_box():
    maps = np.stack([ramp(), ramp()[:, ::-1], ramp()[:, ::-1]])
    boxes = np.array([LEFT_HALF, LEFT_HALF, (0.25, 0.0, 0.75, 1.0)])

    # Eight positions each: all, none, and four in common.
    actual = attention_completeness(maps, boxes)
    np.testing.assert_allclose(actual, [1, 0, 4 / 12])


def test_ties_belong_to_the_area_in_part():
    constant = np.ones((1, 4, 4))
    half = np.zeros((1, 4, 4))
    half[0, :, 0] = 1.0  # Four above; twelve share the other four.

    box = np.array([LEFT_HALF])
    # A constant map: each position half; 8 x 0.5 over 8 + 8 x 0.5.
    np.testing.assert_allclose(attention_completeness(constant, box), 4 / 12)
    both = 4 + 4 / 3
    np.testing.assert_allclose(
        attention_completeness(half, box), both / (16 - both)
    )
    # The order of the pixels does not matter.
    np.testing.assert_allclose(
        attention_completeness(half[:, :, ::-1], [(0.5, 0, 1, 1)]),
        both / (16 - both),
    )


def test_several_boxes_with_padding_and_masks():
    rng = np.random.default_rng(0)
    maps = rng.random((2, 6, 9))
    boxes = np.full((2, 3, 4), np.nan)
    boxes[0, 0] = (0, 0, 1 / 3, 0.5)
    boxes[0, 1] = (2 / 9, 1 / 3, 7 / 9, 1)
    boxes[1] = -1
    boxes[1, 2] = (1 / 3, 0.5, 2 / 3, 1)
    masks = np.zeros((2, 6, 9))
    masks[0, :3, :3] = masks[0, 2:, 2:7] = masks[1, 3:, 3:6] = 1

    expected = []
    for each, mask in zip(maps, masks == 1, strict=True):
        area = each >= np.sort(each.ravel())[-mask.sum()]
        expected.append((area & mask).sum() / (area | mask).sum())
    for form in (boxes, masks, masks == 1):
        actual = attention_completeness(ops.convert_to_tensor(maps), form)
        np.testing.assert_allclose(actual, expected)


@pytest.mark.parametrize(
    "maps, boxes, message",
    [
        (np.ones((4, 4)), [LEFT_HALF], r"shape \(4, 4\). Pass a single map"),
        (np.ones((2, 4, 4)), [LEFT_HALF], "2 maps, and boxes for 1 images"),
        (np.ones((1, 4, 4)), [(0, 0, 16, 32)], "fractions .* for image 0"),
        (np.ones((1, 4, 4)), [(0.5, 0, 0.2, 1)], "min < max"),
        (np.ones((1, 4, 4)), [(0.5, 0, 0.5, 1)], "min < max"),
        (np.ones((1, 4, 4)), [(0.4, 0.4, 0.6, 0.6)], "Image 0 has no object"),
        (np.ones((1, 4, 4)), np.full((1, 2, 4), -1.0), "has no object"),
        (np.ones((1, 4, 4)), np.ones((1, 5, 5)), r"size of the maps, \(4, 4\)"),
        (np.ones((1, 4, 5)), np.full((1, 4, 5), 0.5), "zeros and ones"),
        (np.full((1, 4, 4), np.nan), [LEFT_HALF], "Map 0 has values that are"),
    ],
)
def test_bad_input(maps, boxes, message):
    with pytest.raises(ValueError, match=message):
        attention_completeness(maps, np.array(boxes, "float64"))
