"""Tests of images and labels of every form, against arithmetic by hand."""

import numpy as np
import pytest

from keras_attn_defense.datasets.conversion import label_indices
from keras_attn_defense.datasets.conversion import unit_images

pytestmark = pytest.mark.once

LEVELS = np.array([0, 51, 204, 255]).reshape(4, 1, 1, 1)
UNIT = np.array([0, 0.2, 0.8, 1.0])


@pytest.mark.parametrize(
    "images, value_range",
    [
        (LEVELS.astype("uint8"), None),
        (LEVELS / 255, None),
        (LEVELS.astype("int64"), (0, 255)),
        (LEVELS.astype("float32"), (0, 255)),
        (LEVELS.astype("uint16") * 257, (0, 65535)),
        (LEVELS / 127.5 - 1, (-1, 1)),
        ((LEVELS / 255).astype("float16"), (0.0, 1.0)),
    ],
)
def test_known_ranges(images, value_range):
    before = images.copy()
    unit = unit_images(images, "x", value_range)
    assert unit.dtype == np.float32 and unit.shape == (4, 1, 1, 1)
    np.testing.assert_allclose(unit.ravel(), UNIT, atol=5e-4)
    assert unit.min() >= 0 and unit.max() <= 1
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    "images, value_range, message",
    [
        (LEVELS.astype("int64"), None, "not known.*dtype=int64.*value_range"),
        (LEVELS / 127.5 - 1, None, r"not known.*values in \[-1.0, 1.0\]"),
        (LEVELS.astype("uint8"), (0, 1), r"value_range=\(0.0, 1.0\)"),
        (LEVELS / 255, (0, 255), "fill next to nothing"),
        ((LEVELS > 99).astype("uint8"), None, "fill next to nothing"),
        (LEVELS / 255 / 255, None, "a division too many"),
        (LEVELS / 255, (1, 0), "lowest and the highest"),
        (np.full((2, 4, 4, 3), np.nan), (0, 1), "NaN"),
    ],
)
def test_ranges_that_are_asked_for(images, value_range, message):
    with pytest.raises(ValueError, match=message):
        unit_images(images, "x", value_range)


@pytest.mark.parametrize(
    "labels, class_names",
    [
        ([2, 0, 1], None),
        (np.array([[2], [0], [1]], "uint8"), None),
        (np.eye(4)[[2, 0, 1]], None),
        (np.eye(4, dtype="int64")[[2, 0, 1]], ["a", "b", "c", "d"]),
        (np.array(["c", "a", "b"]), ["a", "b", "c"]),
        (np.array([b"z", b"x", b"y"]), ("x", "y", "z")),
    ],
)
def test_forms_of_labels(labels, class_names):
    indices = label_indices(labels, "y", 3, class_names)
    assert indices.dtype == np.int32
    assert indices.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "labels, class_names, message",
    [
        ([0, 1], None, "2 rows for 3 images"),
        (["b", "a", "b"], None, r"order of the classes.*\['a', 'b'\], 2 diff"),
        (["b", "a", "c"], ["a", "b"], r"not among `class_names`.*\['c'\]"),
        (np.full((3, 2), 0.5), None, "not one-hot.*soft labels"),
        (np.zeros((3, 2)), None, "not one-hot"),
        ([-1, -1, -1], None, "kept secret"),
        ([0.0, 1.0, 2.0], None, "dtype=float64"),
        ([0, 1, 2], ["a", "b"], "0 to 1"),
        (np.zeros((3, 2, 2)), None, r"shape=\(3, 2, 2\)"),
    ],
)
def test_labels_that_are_asked_for(labels, class_names, message):
    with pytest.raises(ValueError, match=message):
        label_indices(labels, "y", 3, class_names)
