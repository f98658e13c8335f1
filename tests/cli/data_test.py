"""Tests of data from files and by name, and of files that are not models."""

import numpy as np
import pytest

from keras_attn_defense.cli import data
from keras_attn_defense.cli.checked import load_model
from keras_attn_defense.cli.data import DataOptions
from keras_attn_defense.cli.data import data_name
from keras_attn_defense.cli.data import load_data
from keras_attn_defense.datasets import ImageSplit

pytestmark = pytest.mark.once

BYTES = np.array([0, 51, 255], "uint8").reshape(3, 1, 1, 1)


@pytest.mark.parametrize(
    "names", [("x", "y"), ("x_test", "y_test"), ("images", "labels")]
)
def test_names_of_arrays(names):
    arrays = dict(zip(names, (BYTES / 255, [1, 2, 3]), strict=True))
    np.savez("file.npz", x_train=BYTES[:1], **arrays)
    images, labels = load_data("file.npz", DataOptions((0.0, 1.0)))
    np.testing.assert_allclose(images[:, 0, 0, 0], [0, 0.2, 1], rtol=1e-6)
    assert images.dtype == "float32"
    np.testing.assert_array_equal(labels, [1, 2, 3])


@pytest.mark.parametrize(
    "value_range, expected",
    [
        ((0.0, 1.0), [0, 0.2, 1]),
        ((-1.0, 1.0), [-1, -0.6, 1]),
        ((0.0, 255.0), [0, 51, 255]),
    ],
)
def test_bytes_in_value_ranges(value_range, expected, capsys):
    np.savez("file.npz", x=BYTES[..., 0], y=[0, 0, 0])  # No channel axis.
    images, _ = load_data("file.npz", DataOptions(value_range))
    assert images.shape == (3, 1, 1, 1) and images.dtype == "float32"
    np.testing.assert_allclose(images.ravel(), expected, rtol=1e-6)
    is_scaled = "scaled" in capsys.readouterr().err
    assert is_scaled == (value_range != (0.0, 255.0))


def test_sets_by_name(monkeypatch, capsys):
    test = ImageSplit(BYTES.astype("float32") / 255, np.array([3, 4, 5]))
    monkeypatch.setitem(data._SETS, "mnist", lambda: (None, test))
    images, labels = load_data("mnist", DataOptions((-1.0, 1.0)))
    np.testing.assert_allclose(images.ravel(), [-1, -0.6, 1], rtol=1e-6)
    np.testing.assert_array_equal(labels, [3, 4, 5])
    assert "mnist: float32 images are scaled" in capsys.readouterr().err
    assert data_name("mnist") == "mnist"
    assert data_name("folder/set.v2.npz") == "set.v2"


def test_folders(folder):
    Image = pytest.importorskip("PIL.Image")
    for label in range(3):
        (folder / f"pets/test/{label}").mkdir(parents=True)
        for number in range(4):
            pixels = np.full((2, 2, 3), 80 * label + number, "uint8")
            name = folder / f"pets/test/{label}/{number}.png"
            Image.fromarray(pixels).save(name)
    expected = [80 * label + n for label in range(3) for n in range(4)]
    for source in ("pets", "pets/test"):
        images, labels = load_data(source, DataOptions((0.0, 255.0)))
        np.testing.assert_allclose(images[:, 0, 0, 0], expected, atol=1e-4)
        assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    images, labels = load_data("pets", DataOptions((0.0, 1.0), limit=3))
    assert labels.tolist() == [0, 1, 2] and images.shape == (3, 2, 2, 3)
    assert data_name("pets/") == "pets"


def test_sets_of_tensorflow_datasets():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=5):
        images, labels = load_data(
            "tfds:mnist", DataOptions((-1.0, 1.0), limit=3)
        )
    assert images.shape == (3, 28, 28, 1) and labels.shape == (3,)
    assert images.min() < -0.9 and images.max() > 0.9
    assert data_name("tfds:mnist") == "mnist"


def test_no_such_data(folder):
    with pytest.raises(ValueError, match="no data 'nothing'.*digit_scenes"):
        load_data("nothing", DataOptions((0.0, 1.0)))
    (folder / "text.npz").write_text("x, y")
    with pytest.raises(ValueError, match="`path` must name a `.npz`.*text.npz"):
        load_data("text.npz", DataOptions((0.0, 1.0)))
    np.savez("other.npz", pictures=BYTES, targets=[1])
    with pytest.raises(ValueError, match=r"contains \['pictures', 'targets'\]"):
        load_data("other.npz", DataOptions((0.0, 1.0)))
    objects = np.array([BYTES, BYTES[0]], dtype=object)
    np.savez("objects.npz", x=objects, y=[1, 2])
    with pytest.raises(ValueError, match="`x` must be an array.*np.stack"):
        load_data("objects.npz", DataOptions((0.0, 1.0)))


def test_the_image_with_nan_is_named():
    images = np.zeros((4, 2, 2, 3))
    images[2, 0, 0, 0] = np.nan
    images[3, 0, 0, 0] = np.inf
    np.savez("file.npz", x=images, y=[0, 0, 0, 0])
    with pytest.raises(ValueError, match="Image 2 of x .* as do 1 others"):
        load_data("file.npz", DataOptions((0.0, 1.0), limit=1))


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"x": np.float32(1), "y": [1]}, r"shape=\(\)"),
        ({"x": np.zeros((2, 3)), "y": [1, 2]}, r"shape=\(2, 3\)"),
        ({"x": np.full((2, 3, 3), "a"), "y": [1, 2]}, "dtype=<U1"),
        ({"x": np.zeros((2, 3, 3)), "y": 1}, r"y of shape \(\)"),
        ({"x": np.zeros((2, 3, 3)), "y": [1]}, r"y of shape \(1,\)"),
    ],
)
def test_arrays_of_other_shapes(arrays, message):
    np.savez("file.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_data("file.npz", DataOptions((0.0, 1.0)))


def test_no_such_model(folder):
    with pytest.raises(ValueError, match="no model 'nothing.keras'"):
        load_model("nothing.keras")
    (folder / "text.keras").write_text("no archive")
    with pytest.raises(ValueError, match="'text.keras' is not a Keras model"):
        load_model("text.keras")
    with pytest.raises(ValueError, match="'test.npz' could not be loaded"):
        load_model("test.npz")
