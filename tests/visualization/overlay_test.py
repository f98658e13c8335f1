"""Tests of overlays, against NumPy."""

import sys

import keras
import numpy as np
import pytest
from keras import ops
from matplotlib import colormaps

import keras_attn_defense as kad
from tests import networks
from tests.attention.helpers import bilinear

pytestmark = pytest.mark.once

IMAGES, _ = networks.images_and_labels(3)
MAPS = np.random.default_rng(1).uniform(0, 2, (3, 8, 8)).astype("float32")


def expected(pictures, maps):
    """Computes an overlay of color over gray, of maps from 0 to 1."""
    gray = pictures.mean(-1, keepdims=True)
    color = colormaps["inferno"](maps)[..., :3]
    weight = 0.35 + 0.4 * maps[..., None]
    return (1 - weight) * gray + weight * color


def stretched(maps):
    low, high = (f(maps, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    return (maps - low) / (high - low)


def assert_close(one, other):
    # A color map has 256 entries: rounding may choose the next one.
    np.testing.assert_allclose(one, other, rtol=0, atol=0.02)
    assert abs(one - other).mean() < 1e-4


def test_values():
    pictures = kad.visualization.overlay(IMAGES, MAPS)
    assert pictures.dtype == "float32"
    assert_close(pictures, expected(IMAGES, stretched(MAPS)))
    assert abs(pictures - IMAGES).max() > 0.1


def test_limits_are_those_of_all_maps():
    pictures = kad.visualization.overlay(IMAGES, MAPS, limits=(0.5, 1.5))
    assert_close(pictures, expected(IMAGES, np.clip(MAPS - 0.5, 0, 1)))


def test_tensors_and_smaller_maps():
    small = MAPS[:, ::2, ::2]
    pictures = kad.visualization.overlay(
        ops.convert_to_tensor(IMAGES), ops.convert_to_tensor(small)
    )
    large = bilinear(stretched(small), 8, 8)
    assert_close(pictures, expected(IMAGES, large))


@pytest.mark.parametrize("value_range", [(-1, 1), (0, 255), (10.0, 20.0)])
def test_any_value_range(value_range):
    lower, upper = value_range
    pictures = kad.visualization.overlay(
        lower + (upper - lower) * IMAGES, MAPS, value_range=value_range
    )
    assert_close(pictures, kad.visualization.overlay(IMAGES, MAPS))


def test_bytes_need_no_value_range():
    pictures = kad.visualization.overlay((IMAGES * 255).astype("uint8"), MAPS)
    levels = np.floor(IMAGES * 255) / 255
    assert_close(pictures, kad.visualization.overlay(levels, MAPS))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels(channels):
    images, _ = networks.images_and_labels(3, (8, 8, channels))
    pictures = kad.visualization.overlay(images, MAPS)
    gray = np.repeat(images.mean(-1, keepdims=True), 3, -1)
    assert_close(pictures, expected(gray, stretched(MAPS)))


def test_channels_first():
    pictures = kad.visualization.overlay(IMAGES, MAPS)
    keras.config.set_image_data_format("channels_first")
    moved = np.moveaxis(IMAGES, -1, 1)
    np.testing.assert_array_equal(
        kad.visualization.overlay(moved, MAPS), pictures
    )


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_map_is_all_dark(value):
    constant = np.full_like(MAPS, value)
    pictures = kad.visualization.overlay(IMAGES, constant)
    assert_close(pictures, expected(IMAGES, np.zeros_like(MAPS)))


def test_another_color_map():
    pictures = kad.visualization.overlay(IMAGES, MAPS, colormap="gray")
    np.testing.assert_array_equal(pictures[..., 0], pictures[..., 2])


@pytest.mark.parametrize(
    "images, maps, arguments, message",
    [
        (IMAGES, MAPS[:2], {}, r"one map \(h, w\) for each image.*\(2, 8, 8\)"),
        (IMAGES, MAPS[..., None], {}, r"together an array \(3, h, w\)"),
        (IMAGES, MAPS + np.nan, {}, "maps.*NaN or infinite"),
        (IMAGES, MAPS + np.inf, {}, "maps.*NaN or infinite"),
        (IMAGES[0], MAPS, {}, "batch of rank 4"),
        (IMAGES + np.inf, MAPS, {}, "Images contain NaN or infinite"),
        (IMAGES * 255, MAPS, {}, "should lie in value_range"),
        (IMAGES, MAPS, {"limits": (1, 0)}, "lowest and the highest"),
    ],
)
def test_bad_input(images, maps, arguments, message):
    with pytest.raises(ValueError, match=message):
        kad.visualization.overlay(images, maps, **arguments)


def test_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[viz\]"):
        kad.visualization.overlay(IMAGES, MAPS)
