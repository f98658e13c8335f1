"""Crops and scales as matrices, against images that are cut and resized."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.defenses import CropRescale
from keras_attn_defense.defenses import RandomResizePad
from keras_attn_defense.defenses import TotalVariationMinimization
from keras_attn_defense.preprocessing.resampling import part_as_whole
from keras_attn_defense.preprocessing.resampling import resampled
from keras_attn_defense.preprocessing.resampling import whole_as_part
from tests import networks
from tests.testing import to_numpy

X, _ = networks.images_and_labels(2, shape=(8, 6, 3))


def number(*values):
    return ops.convert_to_tensor(np.array(values, "float32"))


def test_part_as_whole():
    rows = part_as_whole(number(2, 3), number(5, 4), 8, 8)
    columns = part_as_whole(number(0, 2), number(3, 4), 6, 6)
    found = to_numpy(resampled(ops.convert_to_tensor(X), rows, columns))
    for image, cut in ((0, X[0, 2:7, 0:3]), (1, X[1, 3:7, 2:6])):
        expected = ops.image.resize(cut[None], (8, 6))
        np.testing.assert_allclose(found[image], expected[0], atol=1e-5)


def test_whole_as_part():
    rows = whole_as_part(number(2, 0), number(5, 8), 8, 8)
    columns = whole_as_part(number(1, 2), number(3, 4), 6, 6)
    found = to_numpy(resampled(ops.convert_to_tensor(X), rows, columns))
    for image, (top, left, height, width) in enumerate(
        [(2, 1, 5, 3), (0, 2, 8, 4)]
    ):
        expected = np.zeros((8, 6, 3))
        expected[top : top + height, left : left + width] = ops.image.resize(
            X[image][None], (height, width)
        )[0]
        np.testing.assert_allclose(found[image], expected, atol=1e-5)


@pytest.mark.once
def test_each_image_has_its_own_place():
    images = np.ones((200, 8, 6, 1), "float32")
    layer = RandomResizePad(smallest=0.5, seed=2)
    found = to_numpy(layer(images))[..., 0]
    heights, widths = ((found > 0.5).any(axis).sum(-1) for axis in (2, 1))
    assert set(heights) == {4, 5, 6, 7, 8} and set(widths) == {3, 4, 5, 6}
    firsts = (found > 0.5).any(2).argmax(-1)
    assert set(firsts) == {0, 1, 2, 3, 4}

    ramp = np.broadcast_to(np.arange(8.0)[:, None, None], (200, 8, 6, 1))
    parts = to_numpy(CropRescale(0.5, seed=2)(ramp.astype("float32")))
    lowest = parts[:, 0, 0, 0]
    assert set(np.round(lowest)) == {0, 1, 2, 3, 4}
    np.testing.assert_allclose(parts[:, -1, 0, 0] - lowest, 3.0, atol=1e-4)


@pytest.mark.once
def test_total_variation_is_the_minimum():
    scipy = pytest.importorskip("scipy.optimize")
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(1, 6, 5, 1)).astype("float32")
    kept = (generator.uniform(size=x.shape) < 0.5).astype("float32")
    tensors = ops.convert_to_tensor(x), ops.convert_to_tensor(kept)
    layer = TotalVariationMinimization(weight=0.1, steps=400)
    u = to_numpy(layer._restored(*tensors))[0, ..., 0]

    def cost(flat, smoothing=0.0):
        u = flat.reshape(6, 5)
        down = np.diff(u, axis=0, append=u[-1:])
        right = np.diff(u, axis=1, append=u[:, -1:])
        variation = np.sqrt(down**2 + right**2 + smoothing).sum()
        distance = (kept[0, ..., 0] * (u - x[0, ..., 0]) ** 2).sum()
        return distance + 0.1 * variation

    start = u.astype("float64").ravel()
    best = scipy.minimize(cost, start, (1e-8,), options={"maxiter": 500})
    assert cost(start) <= cost(best.x) + 1e-3
    usual = TotalVariationMinimization(weight=0.1)
    near = to_numpy(usual._restored(*tensors))
    assert cost(near.astype("float64").ravel()) <= 1.03 * cost(start)
    # Kept values are not moved without a weight, and none is left at random.
    exact = TotalVariationMinimization(weight=0.0)
    still = exact._restored(tensors[0], ops.ones_like(tensors[1]))
    np.testing.assert_allclose(still, x, atol=1e-6)


@pytest.mark.once
def test_share_that_is_kept():
    images = keras.random.uniform((1, 32, 32, 1), seed=0)
    layer = TotalVariationMinimization(keep=0.3, weight=1e-4, seed=1)
    moved = abs(to_numpy(layer(images)) - to_numpy(images)) > 2e-3
    assert abs(moved.mean() - 0.7) < 0.05
