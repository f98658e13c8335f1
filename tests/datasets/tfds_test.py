"""Tests of the TensorFlow Datasets loaders, without any download."""

import shutil
import sys

import numpy as np
import pytest

from keras_attn_defense.datasets import load_cifar10
from keras_attn_defense.datasets import load_image_folder
from keras_attn_defense.datasets import load_mnist
from keras_attn_defense.datasets import load_tfds

pytestmark = pytest.mark.once

LOADERS = {"cifar10": load_cifar10, "mnist": load_mnist}
SHAPES = {"cifar10": (32, 32, 3), "mnist": (28, 28, 1)}


def import_tfds():
    return pytest.importorskip("tensorflow_datasets")


def tiny_images(num):
    """Makes images whose pixel (0, 0) is 20 times their label."""
    images = np.arange(num * 28 * 28, dtype="int64").reshape(num, 28, 28, 1)
    images = (images % 256).astype("uint8")
    images[:, 0, 0, 0] = 20 * (np.arange(num) % 10)
    return images


@pytest.fixture(scope="module", params=["tfrecord", "array_record"])
def prepared_dir(request, tmp_path_factory):
    """Prepares a tiny `mnist`, of a version that the library lacks."""
    tfds = import_tfds()
    pytest.importorskip("tensorflow")
    pytest.importorskip("importlib_resources")
    if request.param == "array_record":
        pytest.importorskip("array_record")
    tfds.disable_progress_bar()
    root = tmp_path_factory.mktemp(request.param)
    boxes = tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()})
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(28, 28, 1)),
            "small": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(num_classes=10),
            "parity": tfds.features.ClassLabel(names=["even", "odd"]),
            "word": tfds.features.Text(),
            "objects": boxes,
        }
    )

    # The format stands in the name: a name can be registered only once.
    class Base(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.2.3")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=features,
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(12),
                "test": self._generate_examples(5),
            }

        def _generate_examples(self, num):
            for i, image in enumerate(tiny_images(num)):
                box = tfds.features.BBox(ymin=0.1, xmin=0.2, ymax=0.6, xmax=0.9)
                yield (
                    i,
                    {
                        "image": image,
                        "small": np.full((3 + i % 2, 4, 3), i, "uint8"),
                        "label": i % 10,
                        "parity": i % 2,
                        "word": ["even", "odd"][i % 2],
                        "objects": [{"bbox": box}] * (1 + i % 2),
                    },
                )

    builder_class = type(f"Tiny_{request.param}", (Base,), {})
    builder = builder_class(data_dir=root, file_format=request.param)
    builder.download_and_prepare()
    (root / "mnist").mkdir()
    shutil.move(builder.data_path, root / "mnist" / "1.2.3")
    return root


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_reads_mocked_sets(name):
    tfds = import_tfds()
    with tfds.testing.mock_data(num_examples=5):
        splits = LOADERS[name]()
    assert len(splits) == 2
    for images, labels, boxes in splits:
        assert images.shape == (5, *SHAPES[name])
        assert images.dtype == np.float32
        assert 0.0 <= images.min() < 0.1 and 0.9 < images.max() <= 1.0
        assert labels.shape == (5,) and labels.dtype == np.int32
        assert labels.min() >= 0 and labels.max() <= 9
        assert boxes is None


def test_reads_what_lies_on_disk(prepared_dir):
    train, test = load_mnist(str(prepared_dir), download=False)
    for split, num in ((train, 12), (test, 5)):
        assert split.images.dtype == np.float32
        assert split.labels.dtype == np.int32
        # TensorFlow Datasets shuffles as it writes.
        levels = np.rint(split.images * 255.0).astype("uint8")
        np.testing.assert_array_equal(levels[:, 0, 0, 0], 20 * split.labels)
        order = np.lexsort(levels.reshape(num, -1).T)
        expected = tiny_images(num)
        expected_order = np.lexsort(expected.reshape(num, -1).T)
        np.testing.assert_array_equal(levels[order], expected[expected_order])
        np.testing.assert_array_equal(
            split.images[order],
            expected[expected_order].astype("float32") / 255.0,
        )


def test_boxes_columns_and_parts(prepared_dir):
    folder = str(prepared_dir / "mnist" / "1.2.3")
    (train, test), parity, words = (
        load_tfds(folder, splits=("train[:3]", "test"), **arguments)
        for arguments in (
            {},
            {"label_column": "parity"},
            {"label_column": "word", "class_names": ["odd", "even"]},
        )
    )
    assert len(train.images) == 3 and len(test.images) == 5
    for split, other, third in zip((train, test), parity, words, strict=True):
        np.testing.assert_array_equal(other.labels, split.labels % 2)
        np.testing.assert_array_equal(third.labels, 1 - other.labels)
        for boxes, label in zip(split.boxes, split.labels, strict=True):
            expected = np.full((2, 4), -1.0)
            expected[: 1 + label % 2] = [0.2, 0.1, 0.9, 0.6]
            np.testing.assert_allclose(boxes, expected, atol=1e-6)


def test_images_of_several_sizes(prepared_dir):
    source = {"source": "mnist", "data_dir": prepared_dir, "download": False}
    with pytest.raises(ValueError, match=r"\(3, 4, 3\) and \(4, 4, 3\)"):
        load_tfds(**source, image_column="small")
    train, _ = load_tfds(**source, image_column="small", image_size=(5, 5))
    assert train.images.shape == (12, 5, 5, 3)
    # Images of one value keep it.
    values = np.rint(255 * train.images[:, 0, 0, 0]).astype(int)
    np.testing.assert_array_equal(values % 10, train.labels)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"splits": ("train", "validation")}, "validation"),
        ({"label_column": "class"}, "no column 'class'.*'label', 'objects'"),
    ],
)
def test_what_is_not_there(prepared_dir, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_tfds("mnist", data_dir=prepared_dir, **arguments)


def test_files_of_real_digits(tmp_path):
    """Reads image files with `tfds.ImageFolder` and without TensorFlow."""
    tfds = import_tfds()
    pytest.importorskip("tensorflow")
    Image = pytest.importorskip("PIL.Image")
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    images = (digits.images * (255 / 16)).astype("uint8")
    for i, (image, label) in enumerate(zip(images, digits.target, strict=True)):
        folder = tmp_path / ("train" if i % 10 else "test") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        if i < 200:
            Image.fromarray(image).save(folder / f"{i}.png")
    builder = tfds.ImageFolder(str(tmp_path), shape=(None, None, 1))
    read = load_tfds(builder)
    expected = load_image_folder(tmp_path, color_mode="grayscale")
    for split, other, count in zip(read, expected, (180, 20), strict=True):
        assert split.images.shape == (count, 8, 8, 1)
        rows, other_rows = map(ordered_rows, (split, other))
        np.testing.assert_array_equal(rows, other_rows)


def ordered_rows(split):
    rows = np.c_[split.images.reshape(len(split.images), -1), split.labels]
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_no_download_fails_at_once(name, tmp_path):
    import_tfds()
    with pytest.raises(FileNotFoundError, match=f"{name}.*download=False"):
        LOADERS[name](str(tmp_path), download=False)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[datasets\]"):
        load_mnist(download=False)
