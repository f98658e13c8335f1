"""Tests of `.npz` files of the `keras.datasets` layout."""

import numpy as np
import pytest

from keras_attn_defense.datasets import load_npz

pytestmark = pytest.mark.once


def make_arrays(**changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (6, 8, 9, 3)).astype("uint8"),
        "y_train": np.array([0, 1, 2, 0, 1, 2], dtype="int64"),
        "x_test": rng.integers(0, 256, (4, 8, 9, 3)).astype("uint8"),
        "y_test": np.array([2, 1, 0, 9], dtype="uint8"),
    }
    arrays.update(changes)
    return {k: v for k, v in arrays.items() if v is not None}


@pytest.fixture
def save(tmp_path):
    def save_arrays(**changes):
        path = tmp_path / "set.npz"
        np.savez(path, **make_arrays(**changes))
        return path

    return save_arrays


def test_uint8_is_scaled(save):
    arrays = make_arrays()
    train, test = load_npz(save())
    for split, name in ((train, "train"), (test, "test")):
        images, labels, boxes = split
        assert images.dtype == np.float32 and labels.dtype == np.int32
        expected = arrays[f"x_{name}"].astype("float32") / 255.0
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, arrays[f"y_{name}"])
        assert boxes is None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_stay_as_they_are(save, dtype):
    x_train = np.linspace(0.0, 1.0, 6 * 64).reshape(6, 8, 8, 1).astype(dtype)
    x_test = np.zeros((4, 8, 8, 1), dtype)
    train, test = load_npz(save(x_train=x_train, x_test=x_test))
    assert train.images.dtype == np.float32
    np.testing.assert_array_equal(train.images, x_train.astype("float32"))
    np.testing.assert_array_equal(test.images, x_test)


def test_gray_images_get_a_channel(save):
    x_train = np.full((6, 8, 9), 51, "uint8")
    train, test = load_npz(save(x_train=x_train, x_test=x_train[:4]))
    assert train.images.shape == (6, 8, 9, 1)
    assert test.images.shape == (4, 8, 9, 1)
    np.testing.assert_allclose(train.images, 0.2)


def test_column_labels_are_flattened(save):
    y_train = np.array([[0], [1], [2], [0], [1], [7]])
    train, _ = load_npz(str(save(y_train=y_train)))
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 7]


def test_boxes_of_either_split(save):
    boxes = np.tile([0.0, 0.25, 0.5, 1.0], (6, 1))
    train, test = load_npz(save(boxes_train=boxes))
    assert train.boxes.dtype == np.float32
    np.testing.assert_array_equal(train.boxes, boxes)
    assert test.boxes is None
    train, test = load_npz(save(boxes_test=boxes[:4]))
    assert train.boxes is None
    np.testing.assert_array_equal(test.boxes, boxes[:4])


def test_compressed_files(tmp_path):
    path = tmp_path / "small.npz"
    np.savez_compressed(path, **make_arrays())
    train, _ = load_npz(path)
    assert train.images.shape == (6, 8, 9, 3)


def test_missing_arrays_are_named(save):
    path = save(y_train=None, x_test=None)
    with pytest.raises(ValueError, match=r"Missing: \['y_train', 'x_test'\]"):
        load_npz(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_npz(tmp_path / "none.npz")


def test_other_files(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.zeros((2, 8, 8)))
    for other in (path, tmp_path):
        with pytest.raises(ValueError, match="`path` must name a `.npz`"):
            load_npz(other)


def test_objects_are_refused(save):
    ragged = np.empty(6, dtype=object)
    ragged[:] = [np.zeros((8, 9, 3))] * 6
    with pytest.raises(ValueError, match="`x_train` must be an array of num"):
        load_npz(save(x_train=ragged))


OUT_OF_ORDER = np.tile([0.5, 0.2, 0.4, 0.9], (6, 1))
IN_PIXELS = np.tile([1.0, 2.0, 5.0, 6.0], (6, 1))
WITH_NAN = np.tile([0.1, 0.2, 0.5, np.nan], (6, 1))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"x_train": np.zeros((6, 8))}, r"`x_train` must have the shape"),
        ({"x_test": np.zeros((0, 8, 9, 3))}, r"`x_test`.*at least one"),
        ({"x_train": np.zeros((6, 3, 8, 9))}, r"`x_train`.*channels last"),
        ({"x_train": np.zeros((6, 8, 9, 3), "int64")}, "dtype=int64"),
        ({"x_train": np.full((6, 8, 9, 3), 255.0)}, r"in \[255.0, 255.0\]"),
        ({"x_train": np.full((6, 8, 9, 3), -0.1)}, "`x_train`.*not known"),
        ({"x_test": np.full((4, 8, 9, 3), np.nan)}, "`x_test`.*not known"),
        ({"x_test": np.zeros((4, 8, 8, 3))}, r"one shape.*\(8, 9, 3\) and"),
        ({"x_test": np.zeros((4, 8, 9))}, r"one shape.*\(8, 9, 1\)"),
        ({"y_train": np.zeros((6, 10), "int64")}, "one-hot"),
        ({"y_train": np.zeros(5, "int64")}, "5 rows for 6 images"),
        ({"y_test": np.zeros(4)}, "`y_test`.*dtype=float64"),
        ({"y_test": np.array([0, -1, 2, 3])}, r"starting with \[0, -1, 2\]"),
        ({"y_test": np.array(["a", "b", "c", "d"])}, "`y_test`.*`class_names`"),
        ({"boxes_train": np.zeros((6, 2))}, r"shape=\(6, 2\)"),
        ({"boxes_train": np.full((6, 4), "a")}, "dtype=<U1"),
        ({"boxes_test": OUT_OF_ORDER}, "each of the 4 images.*6 entries"),
        ({"boxes_train": OUT_OF_ORDER}, "min < max"),
        ({"boxes_train": IN_PIXELS}, r"for image 0: \[\[1.0, 2.0"),
        ({"boxes_train": WITH_NAN}, "`boxes_train`.*in fractions"),
    ],
)
def test_errors_teach(save, changes, message):
    with pytest.raises(ValueError, match=message):
        load_npz(save(**changes))
