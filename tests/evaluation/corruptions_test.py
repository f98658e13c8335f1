"""Corruptions against closed forms, Pillow, scikit-image and statistics."""

import colorsys
import io

import numpy as np
import pytest

from keras_attn_defense.evaluation.corruptions import CORRUPTIONS
from keras_attn_defense.evaluation.corruptions.weather import landscapes

pytestmark = pytest.mark.once

SEVERITIES = [1, 2, 3, 4, 5]
GRAY = np.full((2, 32, 32, 3), 0.4)
IMAGES = np.random.default_rng(3).uniform(0.2, 0.8, (3, 32, 32, 3))
# With structure at all scales.
SMOOTH = np.cumsum(np.cumsum(IMAGES - IMAGES.mean(), axis=1), axis=2)
SMOOTH = (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH)


def corrupted(name, images, severity=3, seed=0):
    generator = np.random.default_rng(seed)
    return CORRUPTIONS[name](images, severity, generator)


def test_the_fifteen_of_the_paper():
    assert len(CORRUPTIONS) == 15


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (1, 40, 24, 1)])
def test_shapes_and_seeds(name, shape):
    images = np.random.default_rng(0).uniform(size=shape)
    before = images.copy()
    for severity in SEVERITIES:
        found = corrupted(name, images, severity)
        assert found.shape == shape and np.isfinite(found).all()
        assert abs(found - images).max() > 1e-3
        again = corrupted(name, images, severity)
        np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_has_its_moments(severity):
    images = np.full((40, 32, 32, 3), 0.4)
    place = severity - 1
    scale = [0.04, 0.06, 0.08, 0.09, 0.10][place]
    photons = [500, 250, 100, 75, 50][place]
    for name, variance in (
        ("gaussian_noise", scale**2),
        ("shot_noise", 0.4 / photons),
    ):
        found = corrupted(name, images, severity)
        assert found.mean() == pytest.approx(0.4, abs=0.002)
        assert found.var() == pytest.approx(variance, rel=0.03)
    share = [0.01, 0.02, 0.03, 0.05, 0.07][place]
    found = corrupted("impulse_noise", images, severity)
    assert set(np.unique(found)) == {0.0, 0.4, 1.0}
    for end in (0.0, 1.0):
        assert (found == end).mean() == pytest.approx(share / 2, rel=0.1)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(
    "name",
    [
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "elastic_transform",
        "pixelate",
        "contrast",
    ],
)
def test_one_color_stays(name, severity):
    found = corrupted(name, GRAY, severity)
    np.testing.assert_allclose(found, GRAY, atol=1e-6)


def point(size=33):
    image = np.zeros((1, size, size, 1))
    image[0, size // 2, size // 2] = 1.0
    return image


def test_defocus_is_a_disk():
    # Radius 1.5 holds a pixel and its eight neighbors, the edge slightly soft.
    found = corrupted("defocus_blur", point(), 5)[0, ..., 0]
    expected = np.zeros((33, 33))
    expected[15:18, 15:18] = 1 / 9
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found.sum() == pytest.approx(1.0)
    # Twice the size, twice the radius: 25 pixels less the four corners' rims.
    large = corrupted("defocus_blur", point(64), 5)[0, ..., 0]
    assert (large > 0.02).sum() == 29


def test_motion_is_a_line():
    found = corrupted("motion_blur", point(), 5)[0, ..., 0]
    y, x = np.nonzero(found > 1e-9)
    weights = found[y, x]
    steps = 16 - x  # It trails to one side.
    expected = np.exp(-0.5 * (np.arange(19) / 2.5) ** 2)
    assert weights.max() == pytest.approx(expected[0] / expected.sum(), rel=0.2)
    assert steps.min() == 0 and weights.sum() == pytest.approx(1.0)
    slope = abs(np.polyfit(steps, y - 16, 1, w=weights)[0])
    assert slope <= 1.0 and len(set(steps)) > 5


def test_zoom_is_a_mean_of_larger_images():
    # A ramp from the center grows more slowly, the larger it is drawn.
    ramp = np.broadcast_to(
        np.linspace(-1, 1, 33)[None, :, None, None], (1, 33, 33, 1)
    )
    found = corrupted("zoom_blur", ramp, 2)
    factors = 1 + np.arange(11) / 100
    slope = (1 + (1 / factors).sum()) / 12
    np.testing.assert_allclose(found, slope * ramp, atol=1e-9)


def test_glass_takes_pixels_from_close_by():
    # Without the slight blurs at severity 1: sigma 0.05 does nothing.
    places = np.arange(32.0)[None, :, None, None] + np.zeros((1, 32, 32, 1))
    moved = corrupted("glass_blur", places, 1) - places
    assert set(np.unique(moved.round(9))) == {-1.0, 0.0}
    assert (moved < -0.5).mean() == pytest.approx(0.5 * 31 / 32, abs=0.06)
    # Two rounds go twice as far.
    inside = corrupted("glass_blur", places, 4)[:, 4:-4, 4:-4]
    mean = (inside - places[:, 4:-4, 4:-4]).mean()
    assert mean == pytest.approx(-1.0, abs=0.1)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_brightness_raises_the_value(severity):
    more = [0.05, 0.1, 0.15, 0.2, 0.3][severity - 1]
    colors = np.array([[0.1, 0.5, 0.3], [0.9, 0.9, 0.2], [0.0, 0.0, 0.0]])
    found = corrupted("brightness", colors[None, None], severity)[0, 0]
    for color, bright in zip(colors, found, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*color)
        raised = min(value + more, 1.0)
        expected = colorsys.hsv_to_rgb(hue, saturation, raised)
        np.testing.assert_allclose(bright, expected, atol=1e-12)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_contrast(severity):
    kept = [0.75, 0.5, 0.4, 0.3, 0.15][severity - 1]
    found = corrupted("contrast", IMAGES, severity)
    np.testing.assert_allclose(found.mean((1, 2)), IMAGES.mean((1, 2)))
    np.testing.assert_allclose(found.std((1, 2)), kept * IMAGES.std((1, 2)))


def test_fog_keeps_the_maximum_and_flattens():
    found = corrupted("fog", SMOOTH, 5)
    highest = SMOOTH.max((1, 2, 3))
    assert (found.max((1, 2, 3)) <= highest + 1e-9).all()
    mist = found * (highest + 1.5)[:, None, None, None]
    mist = mist / highest[:, None, None, None] - SMOOTH
    # The same white on all channels, from nothing to all of it.
    np.testing.assert_allclose(mist[..., 0], mist[..., 1], atol=1e-9)
    np.testing.assert_allclose(mist.min((1, 2, 3)), 0.0, atol=1e-9)
    np.testing.assert_allclose(mist.max((1, 2, 3)), 1.5, atol=1e-9)


def test_landscapes_are_rougher_where_hills_decay_less():
    def roughness(decay):
        drawn = landscapes((20, 32, 32), decay, np.random.default_rng(0))
        assert drawn.min() == 0.0 and drawn.max() == 1.0
        return abs(np.diff(drawn, axis=2)).mean()

    assert roughness(3) < 0.7 * roughness(1.75)


def test_frost_mixes_image_and_ice():
    ice = corrupted("frost", 0 * IMAGES, 4)
    np.testing.assert_allclose(
        corrupted("frost", IMAGES, 4), 0.85 * IMAGES + ice
    )
    assert ice.min() >= 0.0 and 0.3 < ice.max() <= 0.4
    assert (ice[..., 2] >= ice[..., 0]).all()  # Bluish.


def test_snow_only_brightens_and_streaks():
    found = [corrupted("snow", SMOOTH, severity) for severity in SEVERITIES]
    means = [(each - SMOOTH).mean() for each in found]
    assert min(each.min() for each in found) >= 0.0
    assert means[0] > 0.0 and means[-1] > 2 * means[0]
    # On black, without what bleaches it: streaks fall rather than lie.
    black = corrupted("snow", np.zeros((20, 32, 32, 1)), 2)
    down, across = (abs(np.diff(black, axis=axis)).mean() for axis in (1, 2))
    assert down < across


def test_elastic_moves_as_far_as_it_should():
    rows = np.broadcast_to(
        np.arange(96.0)[:, None, None], (12, 96, 96, 1)
    ) + np.zeros((12, 96, 96, 1))
    middle = (slice(None), slice(40, 56), slice(40, 56))
    # Level 1 is affine: second differences vanish. Level 5 is not.
    for severity, bends in ((1, False), (5, True)):
        found = corrupted("elastic_transform", rows, severity)
        bent = abs(np.diff(found[middle], n=2, axis=1)).max()
        assert (bent > 0.01) == bends
        moved = abs((found - rows)[middle]).max()
        assert 0.5 < moved < 96 * 0.2


@pytest.mark.parametrize("severity", SEVERITIES)
def test_pixelate_as_pillow(severity):
    image = pytest.importorskip("PIL.Image")
    share = [0.95, 0.9, 0.85, 0.75, 0.65][severity - 1]
    stored = (255 * SMOOTH[0]).astype("uint8")
    small = image.fromarray(stored).resize([int(32 * share)] * 2, image.BOX)
    expected = np.asarray(small.resize((32, 32), image.BOX)) / 255
    found = corrupted("pixelate", stored[None] / 255, severity)[0]
    np.testing.assert_allclose(found, expected, atol=1.1 / 255)


@pytest.mark.everywhere
def test_jpeg_as_pillow():
    image = pytest.importorskip("PIL.Image")
    stored = (255 * SMOOTH[0]).astype("uint8")
    decoded = []
    for quality in (80, 65, 58, 50, 40):
        file = io.BytesIO()
        image.fromarray(stored).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(image.open(file)) / 255)
    for severity in SEVERITIES:
        found = corrupted("jpeg_compression", stored[None] / 255, severity)
        apart = [abs(found[0] - each).mean() for each in decoded]
        assert np.argmin(apart) == severity - 1
        assert min(apart) < 1.5 / 255
