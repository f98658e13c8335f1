"""Tests of the checks of images and labels."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.data import as_images
from keras_attn_defense.data import check_images
from keras_attn_defense.data import check_labels
from keras_attn_defense.data import check_value_range
from keras_attn_defense.data import class_indices
from tests.testing import to_numpy

IMAGES = np.full((2, 4, 4, 3), 0.5, "float32")


def images_with(value):
    images = IMAGES.copy()
    images[1, 2, 3, 0] = value
    return images


def test_value_range_becomes_floats():
    assert check_value_range((0, 255)) == (0.0, 255.0)
    assert check_value_range([-1, 1]) == (-1.0, 1.0)


@pytest.mark.parametrize(
    "value_range", [(1, 0), (0, 0), (0,), (0, 1, 2), 255, "ab", None]
)
def test_value_range_that_is_none(value_range):
    with pytest.raises(ValueError, match="lowest and the highest value"):
        check_value_range(value_range)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_good_images(as_tensor):
    convert = ops.convert_to_tensor if as_tensor else np.asarray
    check_images(convert(images_with(1.0)), (0.0, 1.0))
    check_images(convert(images_with(1.0 + 1e-6)), (0.0, 1.0))
    check_images(convert(images_with(-1.0)), (-1.0, 1.0))
    check_images(np.full((1, 2, 2, 1), 255, "uint8"), (0.0, 255.0))


@pytest.mark.parametrize(
    "images, message",
    [
        (IMAGES[0], r"rank 4.*shape \(4, 4, 3\).*images\[None\]"),
        (IMAGES[:0], r"at least one image. Received .*\(0, 4, 4, 3\)"),
        (images_with(np.nan), "NaN or infinite"),
        (images_with(np.inf), "NaN or infinite"),
        (images_with(-np.inf), "NaN or infinite"),
        (images_with(1.01), r"value_range=\(0.0, 1.0\).*from 0.5 to 1.0"),
        (images_with(-0.01), "from -0.0"),
        (np.full((1, 2, 2, 3), 255, "uint8"), "to 255.0 .uint8.*rescale"),
    ],
)
@pytest.mark.parametrize("as_tensor", [False, True])
def test_bad_images(images, message, as_tensor):
    convert = ops.convert_to_tensor if as_tensor else np.asarray
    with pytest.raises(ValueError, match=message):
        check_images(convert(images), (0.0, 1.0))


def test_as_images():
    bytes_ = np.arange(12, dtype="uint8").reshape(1, 2, 2, 3)
    images = as_images(bytes_, (0, 255))

    assert keras.backend.standardize_dtype(images.dtype) == "float32"
    np.testing.assert_array_equal(to_numpy(images), bytes_)
    with pytest.raises(ValueError, match="divide them by 255"):
        as_images(bytes_, (0.0, 1.0))
    with pytest.raises(ValueError, match="rank 4"):
        as_images(IMAGES[0], (0.0, 1.0))


@pytest.mark.parametrize(
    "labels",
    [
        [0, 3, 1],
        [[0], [3], [1]],
        [0.0, 3.0, 1.0],
        [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]],
        [[0.7, 0.1, 0.1, 0.1], [0.2, 0, 0, 0.8], [0.4, 0.6, 0, 0]],
    ],
)
def test_labels(labels):
    labels = np.array(labels)
    check_labels(labels, 4, 3)
    check_labels(ops.convert_to_tensor(labels), 4, 3)

    indices = class_indices(labels, 4)
    assert keras.backend.standardize_dtype(indices.dtype) == "int32"
    assert to_numpy(indices).tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 4, 1], "0 to 3.*4 classes.*from 0 to 4"),
        ([0, -1, 1], "0 to 3.*from -1"),
        ([0.5, 1, 2], "whole numbers"),
        ([0, 1], "3 images and 2 labels"),
        (np.zeros((3, 5)), r"\(batch, 4\).*shape \(3, 5\)"),
        (np.zeros((3, 2, 2)), r"shape \(3, 2, 2\)"),
        (np.zeros((3, 4)), "sum to one.*from 0.0"),
        (np.array([[2.0, -1.0, 0, 0]] * 3), "non-negative"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        check_labels(np.array(labels), 4, 3)


def test_labels_of_an_unknown_number_of_classes():
    check_labels(np.array([7, 0]), None, 2)
    check_labels(np.eye(6)[:2], None, 2)
    assert to_numpy(class_indices(np.eye(6)[3:5], None)).tolist() == [3, 4]


def test_class_indices_refuse_a_wrong_shape():
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        class_indices(np.eye(3)[:2], 4)
