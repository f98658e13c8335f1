"""Tests of sets of Hugging Face, made of arrays."""

import sys

import numpy as np
import pytest

from keras_attn_defense.datasets import load_hugging_face

pytestmark = pytest.mark.once

library = pytest.importorskip("datasets")
Image = pytest.importorskip("PIL.Image")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), "uint8")
LABELS = [0, 1, 2, 2, 1, 0]
NAMES = ["a", "b", "c"]
BINARY = [Image.fromarray(image[..., 0] > 99) for image in IMAGES]


def dataset(images=IMAGES, **columns):
    """Makes a `Dataset` of images and of columns `name=(feature, values)`."""
    columns = {
        "image": (library.Image(), list(images)),
        "label": (library.ClassLabel(names=NAMES), LABELS),
        **columns,
    }
    columns = {name: column for name, column in columns.items() if column}
    features = {name: feature for name, (feature, _) in columns.items()}
    values = {name: values for name, (_, values) in columns.items()}
    return library.Dataset.from_dict(values, library.Features(features))


ARRAY = (library.Array3D((5, 4, 3), "uint8"), IMAGES)
NUMBER = (library.Value("int64"), LABELS)
STRING = (library.Value("string"), [NAMES[i] for i in LABELS])


@pytest.mark.parametrize(
    "columns, arguments",
    [
        ({}, {}),
        ({"image": None, "pixels": ARRAY}, {}),
        ({"label": None, "class": NUMBER}, {}),
        ({"label": None, "fine": STRING}, {"label_column": "fine"}),
        ({"thumbnail": ARRAY, "number": NUMBER}, {}),
        ({"other": (library.Image(), list(IMAGES))}, {"image_column": "image"}),
    ],
)
def test_columns_are_found_or_given(columns, arguments):
    both = library.DatasetDict(
        train=dataset(**columns), test=dataset(**columns).select(range(4))
    )
    splits = load_hugging_face(both, class_names=NAMES, **arguments)
    for split, count in zip(splits, (6, 4), strict=True):
        assert split.images.dtype == np.float32
        assert split.labels.dtype == np.int32
        np.testing.assert_allclose(split.images, IMAGES[:count] / 255, 1e-6)
        assert split.labels.tolist() == LABELS[:count]
        assert split.boxes is None


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_pair_and_any_format(kind):
    if kind == "torch":
        pytest.importorskip("torch")
    formatted = dataset().with_format(kind)
    undecoded = dataset().cast_column("image", library.Image(decode=False))
    for split in load_hugging_face((formatted, undecoded)):
        np.testing.assert_allclose(split.images, IMAGES / 255, 1e-6)
        assert split.labels.tolist() == LABELS


def test_gray_images_floats_and_sizes():
    gray = dataset(IMAGES[..., 0])
    floats = dataset(
        image=(library.Array3D((5, 4, 3), "float32"), IMAGES / 127.5 - 1)
    )
    train, test = load_hugging_face((gray, gray))
    np.testing.assert_allclose(train.images, IMAGES[..., :1] / 255, 1e-6)
    train, _ = load_hugging_face((gray, gray), color_mode="rgb")
    assert train.images.shape == (6, 5, 4, 3)
    train, _ = load_hugging_face((floats, floats), value_range=(-1, 1))
    np.testing.assert_allclose(train.images, IMAGES / 255, atol=1e-6)
    mixed = dataset([*IMAGES[:3], *IMAGES[3:, :3]])
    train, _ = load_hugging_face((mixed, mixed), image_size=(4, 4))
    assert train.images.shape == (6, 4, 4, 3)


@pytest.mark.parametrize(
    "make, arguments, message",
    [
        (lambda: library.DatasetDict(train=dataset()), {}, "no split 'test'"),
        (dataset, {}, "train_test_split"),
        (lambda: [1, 2], {}, "Received: <class 'list'>"),
        (lambda: [dataset(also=ARRAY, image=None)] * 2, {"image_column": "x"},
         "no column 'x'"),
        (lambda: [dataset(also=(library.Image(), list(IMAGES)))] * 2, {},
         r"several columns of images, \['also', 'image'\].*`image_column`"),
        (lambda: [dataset(label=None, a=NUMBER, b=NUMBER)] * 2, {},
         r"several columns of labels, \['a', 'b'\]"),
        (lambda: [dataset(label=None, fine=STRING)] * 2, {},
         r"no column of labels. Choose one of \['fine', 'image'\]"),
        (lambda: [dataset(label=None, fine=STRING)] * 2,
         {"label_column": "fine"}, "`class_names`"),
        (lambda: [dataset([*IMAGES[:3], *IMAGES[3:, :3]])] * 2, {},
         "`image_size="),
        (lambda: [dataset([*IMAGES[:3], *IMAGES[3:, ..., 0]])] * 2, {},
         "`color_mode`"),
        (lambda: [dataset(BINARY)] * 2, {}, "mode '1' of Pillow"),
    ],
)  # fmt: skip
def test_errors_teach(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_hugging_face(make(), **arguments)


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[huggingface\]"):
        load_hugging_face((None, None))
