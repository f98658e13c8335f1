"""Tests of the digit scenes."""

import hashlib
import sys

import numpy as np
import pytest

from keras_attn_defense.datasets import ImageSplit
from keras_attn_defense.datasets import load_digit_scenes
from keras_attn_defense.datasets.digit_scenes import load_digit_sources

pytestmark = pytest.mark.once

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def scenes():
    return load_digit_scenes(600, 205)


@pytest.fixture(scope="module")
def plain_scenes():
    return load_digit_scenes(300, 20, clutter=0)


def digest(split):
    parts = [array.tobytes() for array in split]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def box_slices(box, size):
    left, top, right, bottom = np.rint(box * size).astype(int)
    return slice(top, bottom), slice(left, right)


def strong_ink(image):
    """Returns the ink on a plain background, which most pixels show."""
    colors, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    distance = np.abs(image - colors[counts.argmax()]).sum(axis=-1)
    return distance >= 0.5 * distance.max()


def test_shapes_types_and_ranges(scenes):
    for split, num in zip(scenes, (600, 205), strict=True):
        assert isinstance(split, ImageSplit)
        images, labels, boxes = split
        assert images.shape == (num, 32, 32, 3)
        assert images.dtype == np.float32
        assert images.min() >= 0.0 and images.max() <= 1.0
        assert labels.shape == (num,) and labels.dtype == np.int32
        assert boxes.shape == (num, 4) and boxes.dtype == np.float32
        assert boxes.min() >= 0.0 and boxes.max() <= 1.0
        assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_images_have_the_levels_of_8_bits(scenes):
    levels = scenes[0].images * 255.0
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


def test_default_counts():
    train, test = load_digit_scenes()
    assert train.images.shape == (4000, 32, 32, 3)
    assert test.images.shape == (1000, 32, 32, 3)
    assert np.bincount(train.labels).tolist() == [400] * 10


def test_same_arguments_give_same_bytes():
    first = load_digit_scenes(40, 15, seed=3)
    second = load_digit_scenes(40, 15, seed=3)
    assert [digest(s) for s in first] == [digest(s) for s in second]
    other = load_digit_scenes(40, 15, seed=4)
    assert digest(first[0]) != digest(other[0])
    assert digest(first[1]) != digest(other[1])


def test_splits_do_not_depend_on_each_other():
    small_train, test = load_digit_scenes(20, 15)
    train, small_test = load_digit_scenes(20, 7)
    assert digest(small_train) == digest(train)
    assert digest(small_test) != digest(test)


def test_global_numpy_state_is_left_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    load_digit_scenes(2, 2)
    assert np.random.random() == expected


def test_no_two_scenes_are_equal(scenes):
    images = np.concatenate([split.images for split in scenes])
    assert len({image.tobytes() for image in images}) == len(images)


def test_classes_are_balanced(scenes):
    assert np.bincount(scenes[0].labels).tolist() == [60] * 10
    counts = np.bincount(scenes[1].labels, minlength=10)
    assert sorted(counts.tolist()) == [20] * 5 + [21] * 5
    # Shuffled: a batch must not run through the classes in order.
    assert (np.diff(scenes[0].labels) != 1).mean() > 0.5


def test_sources_are_disjoint_real_and_stratified():
    train, test = load_digit_sources()
    train_bytes = {d.tobytes() for members in train for d in members}
    test_bytes = {d.tobytes() for members in test for d in members}
    assert not train_bytes & test_bytes
    assert len(train_bytes) + len(test_bytes) == 1797
    for kept, held_out in zip(train, test, strict=True):
        assert len(held_out) == (len(kept) + len(held_out)) // 5


def test_box_is_tight_around_the_ink(plain_scenes):
    images, _, boxes = plain_scenes[0]
    for image, box in zip(images, boxes, strict=True):
        ink = strong_ink(image)
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        # One pixel of room: colors of 8 bits round at the half-way mark.
        np.testing.assert_allclose(box * 32, corners, atol=1.01)
    sizes = (boxes[:, 3] - boxes[:, 1]) * 32
    assert sizes.min() >= 9 and sizes.max() <= 25
    assert np.ptp(boxes[:, 0]) > 0.5 and np.ptp(boxes[:, 1]) > 0.4


def test_plain_scenes_show_the_digit_only(plain_scenes):
    images, _, boxes = plain_scenes[0]
    for image, box in zip(images, boxes, strict=True):
        ink = strong_ink(image)
        ink[box_slices(box, 32)] = False
        assert ink.sum() <= 3


def test_digit_is_brighter_than_its_surroundings(scenes):
    images, _, boxes = scenes[0]
    gaps = []
    for image, box in zip(images, boxes, strict=True):
        gray = image.mean(axis=-1)
        outside = np.ones((32, 32), dtype=bool)
        outside[box_slices(box, 32)] = False
        # The median of the brightest pixels is the digit's own color.
        digit = np.sort(gray[~outside])[-12:].mean()
        # Antialiased ink can lie just outside the box.
        gaps.append(digit - np.quantile(gray[outside], 0.98))
    assert min(gaps) > 2 * 16 / 255
    assert 0.25 < np.mean(gaps) < 0.6


def test_clutter_adds_contrast_outside_the_box():
    spreads = []
    for clutter in (0, 0.3, 0.6, 1.0):
        train, _ = load_digit_scenes(50, 1, clutter=clutter)
        outside = []
        for image, box in zip(train.images, train.boxes, strict=True):
            image = image.copy()
            image[box_slices(box, 32)] = np.nan
            outside.append(np.nanstd(image, axis=(0, 1)).mean())
        spreads.append(np.mean(outside))
    assert spreads[0] < 0.02
    assert np.all(np.diff(spreads) > 0.02)


@pytest.mark.parametrize("size", [16, 33, 64])
def test_image_size(size):
    train, test = load_digit_scenes(20, 10, image_size=size)
    assert train.images.shape == (20, size, size, 3)
    heights = train.boxes[:, 3] - train.boxes[:, 1]
    assert heights.min() > 0.3 and heights.max() < 0.8
    corners = test.boxes * size
    np.testing.assert_allclose(corners, np.rint(corners), atol=1e-4)


def test_more_than_one_chunk_and_single_scenes():
    train, test = load_digit_scenes(129, 1)
    assert train.images[-1].std() > 0.02
    assert test.images.shape == (1, 32, 32, 3)


def test_numpy_integers_are_integers():
    first = load_digit_scenes(np.int64(3), np.int32(2), seed=np.int64(1))
    second = load_digit_scenes(3, 2, seed=1)
    assert digest(first[0]) == digest(second[0])


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"num_train": 0}, "num_train"),
        ({"num_train": 10.0}, "num_train"),
        ({"num_test": -1}, "num_test"),
        ({"num_test": True}, "num_test"),
        ({"image_size": 15}, "image_size"),
        ({"image_size": (32, 32)}, "image_size"),
        ({"seed": None}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"clutter": -0.1}, "clutter"),
        ({"clutter": 1.5}, "clutter"),
        ({"clutter": float("nan")}, "clutter"),
        ({"clutter": "much"}, "clutter"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` should be.*Received"):
        load_digit_scenes(**arguments)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[datasets\]"):
        load_digit_scenes(1, 1)
