"""Tests of hiding the attention area, against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attention import AttentionMask
from tests.testing import gradient
from tests.testing import jitted
from tests.testing import run_config_test
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
# No two positions of a map are equal.
MAPS = GENERATOR.permuted(
    np.linspace(0.01, 1.0, 40, dtype="float32") * np.ones((3, 1)), axis=1
).reshape(3, 5, 8)
MAPS = (MAPS * np.array([1.0, 5.0, 0.01])[:, None, None]).astype("float32")
IMAGES = GENERATOR.uniform(size=(3, 5, 8, 2)).astype("float32")


def per_map(function):
    return np.array([function(m) for m in MAPS])[:, None, None]


KAPPA = {
    ("mean", None): per_map(np.mean),
    ("maximum", None): 0.2 * per_map(np.max),
    ("maximum", 0.5): 0.5 * per_map(np.max),
    ("quantile", None): per_map(lambda m: np.quantile(m, 0.8)),
    ("quantile", 0.31): per_map(lambda m: np.quantile(m, 0.31)),
    ("area", None): per_map(lambda m: np.sort(m.ravel())[-9]),
    ("area", 0.5): per_map(lambda m: np.sort(m.ravel())[-21]),
}


def masked(mask, images=IMAGES, maps=MAPS):
    return to_numpy(
        mask(ops.convert_to_tensor(images), ops.convert_to_tensor(maps))
    )


@pytest.mark.parametrize("threshold, level", KAPPA)
def test_hard_mask(threshold, level):
    mask = AttentionMask(threshold, level)
    area = (MAPS > KAPPA[threshold, level]).astype("float32")

    actual = to_numpy(mask.area(ops.convert_to_tensor(MAPS)))
    np.testing.assert_array_equal(actual, area)
    assert 0.0 < area.mean() < 1.0
    expected = np.where(area[..., None] == 1, np.float32(0.5), IMAGES)
    np.testing.assert_allclose(masked(mask), expected, atol=1e-7)


@pytest.mark.parametrize("threshold, level", KAPPA)
@pytest.mark.parametrize("sharpness", [10.0, 3.0])
def test_soft_mask(threshold, level, sharpness):
    mask = AttentionMask(threshold, level, mode="soft", sharpness=sharpness)
    top = MAPS.max((1, 2), keepdims=True)
    distance = (MAPS - KAPPA[threshold, level]) / top
    area = 1 / (1 + np.exp(-sharpness * distance))[..., None]

    np.testing.assert_allclose(
        masked(mask), IMAGES * (1 - area) + 0.5 * area, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("level", [0.0, 0.1, 0.25, 0.5, 0.975, 1.0])
@pytest.mark.parametrize("compile_it", [False, True])
def test_area_has_its_share_exactly(level, compile_it):
    area_of = AttentionMask("area", level).area
    area_of = jitted(area_of) if compile_it else area_of

    area = to_numpy(area_of(ops.convert_to_tensor(MAPS)))
    assert area.sum((1, 2)).tolist() == [40 * level] * 3


@pytest.mark.parametrize(
    "arguments, value",
    [
        ({}, 0.5),
        ({"value_range": (-1, 1)}, 0.0),
        ({"value_range": (0, 255)}, 127.5),
        ({"value_range": (0, 255), "fill": 3.0}, 3.0),
        ({"fill": 0.0}, 0.0),
    ],
)
def test_fill(arguments, value):
    hidden = masked(AttentionMask("area", 1.0, **arguments))
    np.testing.assert_allclose(hidden, value)
    shown = masked(AttentionMask("area", 0.0, **arguments))
    np.testing.assert_array_equal(shown, IMAGES)


def slopes(mode):
    mask = AttentionMask(mode=mode)
    weights = ops.convert_to_tensor(IMAGES[::-1].copy())
    return gradient(lambda x, m: ops.sum(mask(x, m) * weights), IMAGES, MAPS)


def test_hard_mask_has_no_gradient_to_the_map():
    to_images, to_maps = slopes("hard")

    assert (to_maps == 0).all()
    shown = (MAPS <= KAPPA["mean", None])[..., None]
    np.testing.assert_allclose(to_images, shown * IMAGES[::-1], atol=1e-6)


def test_soft_mask_has_a_gradient_to_the_map():
    to_images, to_maps = slopes("soft")

    assert (abs(to_maps) > 1e-4).mean() > 0.9
    assert (abs(to_images) > 0).all()


def test_soft_mask_gradient_of_a_map_of_zeros_is_finite():
    mask = AttentionMask(mode="soft")
    maps = np.zeros_like(MAPS)
    (slope,) = gradient(
        lambda m: ops.sum(mask(ops.ones((3, 5, 8, 2)), m)), maps
    )

    assert np.isfinite(slope).all()
    np.testing.assert_allclose(masked(mask, maps=maps), IMAGES / 2 + 0.25)


def test_smaller_maps_are_upsampled():
    mask = AttentionMask("maximum", 0.6, fill=-1.0)
    maps = np.array([[[1.0, 0.0], [0.0, 0.0]]], "float32")
    images = np.zeros((1, 8, 8, 1), "float32")

    hidden = masked(mask, images, maps)[0, ..., 0] == -1.0
    # Bilinear: above 0.6 a little beyond the upper left quarter's middle.
    along = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    expected = np.outer(1 - along, 1 - along) > 0.6
    np.testing.assert_array_equal(hidden, expected)
    assert 0 < expected.sum() < 32


def test_one_image_does_not_depend_on_its_neighbors():
    for threshold in ("mean", "maximum", "quantile", "area"):
        mask = AttentionMask(threshold)
        np.testing.assert_allclose(
            masked(mask, IMAGES[1:2], MAPS[1:2]),
            masked(mask)[1:2],
            atol=1e-6,
        )


def test_config():
    run_config_test(AttentionMask())
    mask = AttentionMask(
        "quantile",
        0.7,
        mode="soft",
        sharpness=4.0,
        fill=0.1,
        value_range=(-1, 1),
        name="mine",
    )
    loaded = run_config_test(mask)
    np.testing.assert_array_equal(masked(loaded), masked(mask))


def test_saved_in_a_model(tmp_path):
    images, maps = keras.Input((5, 8, 2)), keras.Input((5, 8))
    outputs = AttentionMask("area", 0.3, fill=0.2)(images, maps)
    model = keras.Model([images, maps], outputs)
    model.save(tmp_path / "mask.keras")

    loaded = keras.models.load_model(tmp_path / "mask.keras")
    np.testing.assert_array_equal(
        to_numpy(loaded([IMAGES, MAPS])), to_numpy(model([IMAGES, MAPS]))
    )


def test_channels_first():
    keras.config.set_image_data_format("channels_first")
    expected = masked(AttentionMask(), IMAGES.transpose(0, 3, 1, 2))
    keras.config.set_image_data_format("channels_last")

    np.testing.assert_array_equal(
        expected, masked(AttentionMask()).transpose(0, 3, 1, 2)
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"threshold": "median"}, "`threshold` should be one of.*'median'"),
        ({"mode": "fuzzy"}, "`mode` should be 'hard' or 'soft'"),
        ({"level": 1.5}, "`level` should be a number from 0 to 1"),
        ({"level": -0.5}, "`level` should be a number from 0 to 1"),
        ({"value_range": (1, 0)}, "`value_range` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionMask(**arguments)


def test_a_random_place_keeps_the_shape_of_the_area():
    maps = np.zeros((64, 6, 8), "float32")
    maps[:, 1:3, 2:5] = 1.0
    images = np.ones((64, 6, 8, 3), "float32")
    mask = AttentionMask(place="random", fill=0.0, seed=1)
    hidden = 1.0 - to_numpy(mask(images, maps))[..., 0]
    np.testing.assert_array_equal(hidden.sum((1, 2)), 6.0)
    places = set()
    for area in hidden:
        rows, columns = area.max(1), area.max(0)
        np.testing.assert_array_equal(area, np.outer(rows, columns))
        assert (rows.sum(), columns.sum()) == (2, 3)
        # Neighbors, across the borders.
        for line in (rows, columns):
            assert np.abs(np.diff(line, append=line[:1])).sum() == 2
        places.add(area.tobytes())
    assert len(places) > 20
    again = AttentionMask.from_config(mask.get_config())
    first = 1.0 - to_numpy(again(images, maps))[..., 0]
    np.testing.assert_array_equal(first, hidden)
    assert not AttentionMask().variables


def test_unknown_place():
    with pytest.raises(ValueError, match="`place` should be"):
        AttentionMask(place="elsewhere")
