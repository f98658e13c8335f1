"""JPEG as a layer against the files of Pillow."""

import io
import re

import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from tests.evaluation import fake_defenses
from tests.testing import few_everywhere
from tests.testing import to_numpy

Image = pytest.importorskip("PIL.Image")


def scenes(height=24, width=24):
    images, _ = fake_defenses.images_and_labels(24)
    return np.round(255 * images[:, :height, :width])


def pillow(images, quality, subsampling):
    """Images written to files by Pillow and read again."""
    found = []
    for image in images.astype("uint8"):
        file = io.BytesIO()
        image = image[..., 0] if image.shape[-1] == 1 else image
        picture = Image.fromarray(image)
        picture.save(file, "jpeg", quality=quality, subsampling=subsampling)
        found.append(
            np.array(Image.open(file)).reshape(images.shape[1:3] + (-1,))
        )
    return np.array(found, "float64")


@pytest.mark.parametrize(
    "setting",
    few_everywhere(
        [
            (75, "4:2:0", (24, 24)),
            (30, "4:4:4", (24, 24)),
            (75, "4:4:4", (21, 17)),
            (75, "4:2:0", (21, 17)),
            (90, "4:2:0", (23, 24)),
            (10, "4:2:0", (16, 8)),
            (100, "4:4:4", (24, 24)),
        ],
        1,
    ),
)
def test_same_as_pillow(setting):
    quality, subsampling, size = setting
    images = scenes(*size)
    expected = pillow(images, quality, subsampling)
    layer = kad.defenses.JPEGCompression(
        quality, subsampling, value_range=(0, 255)
    )
    found = to_numpy(layer(images.astype("float32")))

    # A wave that lies between two levels may be rounded the other way, as
    # decoders compute in whole numbers: this moves a block by a few levels.
    difference = abs(found - expected)
    assert difference.mean() < 0.75
    assert (difference > 2).mean() < 0.1
    # Without the two being equal because nothing happened.
    if quality < 100:
        assert abs(expected - images).mean() > 8 * difference.mean()
    np.testing.assert_array_equal(found, np.round(found))


@pytest.mark.once
def test_grayscale():
    images = scenes()[..., :1]
    layer = kad.defenses.JPEGCompression(60, value_range=(0, 255))
    difference = abs(
        to_numpy(layer(images.astype("float32"))) - pillow(images, 60, 0)
    )
    assert difference.mean() < 0.5


def test_substitute_is_linear_and_near():
    layer = kad.defenses.JPEGCompression(75)
    images = (scenes() / 255).astype("float32")[:2]
    substitute = layer.how_to_attack().substitute
    smooth = to_numpy(substitute(ops.convert_to_tensor(images)))
    # But for the colors at half of the resolution it is the image itself.
    gray = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(smooth @ gray, images @ gray, atol=2e-3)
    assert abs(smooth - images).mean() < 0.05
    half = to_numpy(substitute(ops.convert_to_tensor(0.5 * images)))
    zero = to_numpy(substitute(ops.zeros_like(images)))
    np.testing.assert_allclose(half, (smooth + zero) / 2, atol=1e-4)


@pytest.mark.once
def test_better_files_change_less():
    images = (scenes() / 255).astype("float32")
    changes = [
        abs(to_numpy(kad.defenses.JPEGCompression(q)(images)) - images).mean()
        for q in (5, 25, 49, 50, 75, 95)
    ]
    assert changes == sorted(changes, reverse=True)


@pytest.mark.once
def test_quality_of_each_image():
    image = (scenes()[:1] / 255).astype("float32")
    known = {
        quality: to_numpy(kad.defenses.JPEGCompression(quality)(image))[0]
        for quality in (40, 41, 42)
    }
    layer = kad.defenses.JPEGCompression((40, 42), draws=3, seed=1)
    assert layer.how_to_attack().draws == 3
    assert kad.defenses.JPEGCompression(40).how_to_attack().draws == 1
    found = to_numpy(layer(np.repeat(image, 20, axis=0)))
    nearest = [
        min(known, key=lambda quality: abs(known[quality] - each).max())
        for each in found
    ]
    assert set(nearest) == set(known)
    for each, quality in zip(found, nearest, strict=True):
        np.testing.assert_allclose(each, known[quality], atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"quality": 101}, "`quality` should be from 1 to 100"),
        ({"quality": 0}, "`quality` should be a whole number"),
        ({"quality": (60, 20)}, "pair in ascending order"),
        ({"quality": (1, 2, 3)}, "(lowest, highest)"),
        ({"subsampling": "4:1:1"}, "'4:2:0' or '4:4:4'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        kad.defenses.JPEGCompression(**arguments)


@pytest.mark.once
def test_two_channels_are_refused():
    with pytest.raises(ValueError, match="one channel or three"):
        kad.defenses.JPEGCompression()(np.zeros((1, 8, 8, 2), "float32"))


@pytest.mark.backend("tensorflow")
def test_unknown_sizes_are_refused():
    import tensorflow as tf

    jpeg = kad.defenses.JPEGCompression()
    spec = tf.TensorSpec((None, None, None, 3))
    with pytest.raises(ValueError, match="known height and width"):
        tf.function(jpeg.call, input_signature=[spec])(np.zeros((1, 8, 8, 3)))
