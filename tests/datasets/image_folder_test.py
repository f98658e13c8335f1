"""Tests of folders of image files, against the arrays they were made of."""

import numpy as np
import pytest

from keras_attn_defense.datasets import load_image_folder

pytestmark = pytest.mark.once

Image = pytest.importorskip("PIL.Image")
CLASSES = ("bird", "cat", "dog")


def picture(label, number, size=(6, 5)):
    """Makes an image with its class in red and its number in green."""
    image = np.full((*size, 3), 90, "uint8")
    image[..., :2] = 80 * label, number
    return image


def write(folder, count=4, classes=CLASSES, **kwargs):
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = Image.fromarray(picture(label, number, **kwargs))
            image.save(folder / name / f"{number}.png")


@pytest.fixture
def pets(tmp_path):
    write(tmp_path / "train")
    write(tmp_path / "test", count=2)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    return tmp_path


def levels(split):
    return np.rint(255 * split.images).astype("uint8")


def test_two_folders(pets):
    splits = load_image_folder(str(pets))
    for split, count in zip(splits, (4, 2), strict=True):
        expected = [picture(i, n) for i in range(3) for n in range(count)]
        np.testing.assert_array_equal(levels(split), expected)
        assert split.images.dtype == np.float32
        assert split.labels.tolist() == np.repeat([0, 1, 2], count).tolist()
        assert split.boxes is None


def test_order_of_classes(pets):
    train, _ = load_image_folder(pets, class_names=["dog", "bird", "cat"])
    assert levels(train)[train.labels == 0, 0, 0, 0].tolist() == [160] * 4
    assert levels(train)[train.labels == 1, 0, 0, 0].tolist() == [0] * 4


def test_one_folder_is_divided(tmp_path):
    write(tmp_path, count=10)
    train, test = load_image_folder(tmp_path, validation_split=0.2, seed=3)
    assert np.bincount(train.labels).tolist() == [8, 8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2, 2]
    seen = set()
    for split in (train, test):
        pixels = levels(split)[:, 0, 0]
        np.testing.assert_array_equal(pixels[:, 0], 80 * split.labels)
        seen.update(map(tuple, pixels[:, :2]))
    assert len(seen) == 30  # Each image is in one split.
    again = load_image_folder(tmp_path, validation_split=0.2, seed=3)
    np.testing.assert_array_equal(again[1].images, test.images)
    other = load_image_folder(tmp_path, validation_split=0.2, seed=4)
    assert (other[1].images != test.images).any()


def test_sizes_and_colors(pets):
    Image.fromarray(picture(0, 9, (12, 10))).save(pets / "test/bird/9.jpg")
    with pytest.raises(ValueError, match=r"\(6, 5, 3\) and \(12, 10, 3\)"):
        load_image_folder(pets)
    train, test = load_image_folder(pets, (3, 4), color_mode="grayscale")
    assert train.images.shape[1:] == test.images.shape[1:] == (3, 4, 1)
    # Resized, an image of one color keeps it: its luma by ITU-R 601.
    expected = [0.114 * 90 + 0.587 * n for n in (0, 1, 9)]
    np.testing.assert_allclose(
        255 * test.images[:3, 1, 1, 0], expected, atol=1.5
    )


def test_errors_teach(pets, tmp_path_factory):
    with pytest.raises(ValueError, match="contains .*validation_split=0.5"):
        load_image_folder(pets, validation_split=0.5)
    with pytest.raises(ValueError, match="not contain both of .'train', 'val'"):
        load_image_folder(pets, splits=("train", "val"))
    with pytest.raises(ValueError, match="share between 0 and 1"):
        load_image_folder(pets / "test", validation_split=1.5)
    with pytest.raises(ValueError, match="color_mode='bgr'"):
        load_image_folder(pets, color_mode="bgr")
    with pytest.raises(ValueError, match="image_size=.64, 64, 3."):
        load_image_folder(pets, (64, 64, 3))
    (pets / "test" / "bird" / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="broken.png.* no image"):
        load_image_folder(pets)
    (pets / "test" / "fish").mkdir()
    with pytest.raises(ValueError, match="'cat', 'dog', 'fish'"):
        load_image_folder(pets)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ValueError, match="contains no folders"):
        load_image_folder(empty, validation_split=0.5)
    (empty / "bird").mkdir()
    with pytest.raises(ValueError, match="no images"):
        load_image_folder(empty, validation_split=0.5)
