"""Tests of the TensorFlow Datasets loaders, without any download."""

import shutil
import sys

import numpy as np
import pytest

from keras_attn_defense.datasets import load_cifar10
from keras_attn_defense.datasets import load_mnist

LOADERS = {"cifar10": load_cifar10, "mnist": load_mnist}
SHAPES = {"cifar10": (32, 32, 3), "mnist": (28, 28, 1)}


def import_tfds():
    return pytest.importorskip("tensorflow_datasets")


def tiny_images(num):
    """Images that tell their own label: pixel (0, 0) is 20 times it."""
    images = np.arange(num * 28 * 28, dtype="int64").reshape(num, 28, 28, 1)
    images = (images % 256).astype("uint8")
    images[:, 0, 0, 0] = 20 * (np.arange(num) % 10)
    return images


@pytest.fixture(scope="module", params=["tfrecord", "array_record"])
def prepared_dir(request, tmp_path_factory):
    """A folder with a tiny `mnist`, of a version that the code lacks."""
    tfds = import_tfds()
    pytest.importorskip("tensorflow")
    pytest.importorskip("importlib_resources")
    if request.param == "array_record":
        pytest.importorskip("array_record")
    tfds.disable_progress_bar()
    root = tmp_path_factory.mktemp(request.param)
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(28, 28, 1)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
    )

    # The format stands in the name: a name can be registered only once.
    class Base(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.2.3")

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(12),
                "test": self._generate_examples(5),
            }

        def _generate_examples(self, num):
            for i, image in enumerate(tiny_images(num)):
                yield i, {"image": image, "label": i % 10}

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


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_no_download_fails_at_once(name, tmp_path):
    import_tfds()
    with pytest.raises(FileNotFoundError, match=f"{name}.*download=False"):
        LOADERS[name](str(tmp_path), download=False)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[datasets\]"):
        load_mnist(download=False)
