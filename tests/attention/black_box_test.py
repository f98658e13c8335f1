"""Tests of occlusion, LIME and Score-CAM, image by image in NumPy."""

import sys

import keras
import numpy as np
import pytest
from scipy.special import softmax

from keras_attn_defense.attention import LIME
from keras_attn_defense.attention import Occlusion
from keras_attn_defense.attention import ScoreCAM
from tests import networks
from tests.attention.helpers import bilinear
from tests.attention.helpers import normalized
from tests.attention.helpers import positive_network
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


def probability(model, image, label):
    logits = to_numpy(model(image[None].astype("float32")))[0]
    return softmax(logits.astype("float64"))[label]


@pytest.mark.parametrize("fill", [None, [0.1, 0.2, 0.3]])
def test_occlusion(fill):
    model = networks.linear()
    expected = np.zeros((4, 8, 8))
    for index, (image, label) in enumerate(zip(X, Y, strict=True)):
        covered = np.zeros((8, 8))
        whole = probability(model, image, label)
        for row in (0, 2, 4, 5):  # The last patch ends at the border.
            for column in (0, 2, 4, 5):
                hidden = image.copy()
                hidden[row : row + 3, column : column + 3] = (
                    image.mean((0, 1)) if fill is None else fill
                )
                fall = whole - probability(model, hidden, label)
                expected[index, row : row + 3, column : column + 3] += fall
                covered[row : row + 3, column : column + 3] += 1
        expected[index] /= covered

    method = Occlusion(
        3, 2, normalization=None, fill=fill, batch_size=5, model=model
    )

    np.testing.assert_allclose(
        to_numpy(method(X, Y)), np.maximum(expected, 0), rtol=1e-3, atol=1e-6
    )
    assert (expected < -1e-3).any() and (expected > 1e-3).any()


def test_occlusion_sees_new_weights():
    # Compiled code is kept from call to call; weights are not.
    model = networks.linear()
    method = Occlusion(model=model)
    before = to_numpy(method(X, Y))
    kernel = model.get_layer("head").kernel
    kernel.assign(-1.0 * kernel.value)

    np.testing.assert_array_equal(
        to_numpy(method(X, Y)), to_numpy(Occlusion(model=model)(X, Y))
    )
    assert abs(to_numpy(method(X, Y)) - before).max() > 0.1


def test_lime():
    # Small steps of a softmax are linear: what a square takes away by itself.
    pytest.importorskip("lime")
    model = networks.linear(scale=0.2)
    squares = np.random.default_rng(0).uniform(0.1, 0.9, (2, 2, 2, 3))
    images = squares.repeat(4, axis=1).repeat(4, axis=2).astype("float32")
    expected = np.zeros((2, 8, 8))
    for index, image in enumerate(images):
        for square in np.ndindex(2, 2):
            at = tuple(slice(4 * side, 4 * side + 4) for side in square)
            hidden = image.copy()
            hidden[at] = image.mean((0, 1))
            expected[index][at] = probability(
                model, image, Y[index]
            ) - probability(model, hidden, Y[index])

    method = LIME(4, 1000, normalization=None, model=model)
    maps = to_numpy(method(images, Y[:2]))

    assert all(len(np.unique(each)) <= 4 for each in maps)
    np.testing.assert_allclose(
        maps,
        np.maximum(expected, 0),
        atol=0.1 * abs(expected).max(),
    )
    assert (maps > 0).any((1, 2)).all()
    np.testing.assert_array_equal(to_numpy(method(images, Y[:2])), maps)


def test_lime_tells_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lime.lime_image", None)

    with pytest.raises(ImportError, match=r"keras-attn-defense\[lime\]"):
        LIME(model=networks.linear())(X, Y)


@pytest.mark.parametrize("channels", [None, 2])
def test_score_cam(channels):
    model = positive_network()
    layer = model.get_layer("late")
    features = to_numpy(keras.Model(model.inputs[0], layer.output)(X))
    expected = np.zeros((4, 4, 4))
    for index, image in enumerate(X):
        each = features[index].transpose(2, 0, 1)
        each = each[np.argsort(-each.std((1, 2)))[:channels]]
        large = bilinear(each, 8, 8)
        large = large - large.min((1, 2), keepdims=True)
        large = large / large.max((1, 2), keepdims=True)
        shown = (image * large[..., None]).astype("float32")
        weights = softmax(to_numpy(model(shown))[:, Y[index]])
        expected[index] = np.einsum("k,kij->ij", weights, each)

    method = ScoreCAM(
        "late", "max", channels=channels, batch_size=3, model=model
    )

    np.testing.assert_allclose(
        to_numpy(method(X, Y)), normalized(expected, "max"), rtol=1e-4
    )


def test_score_cam_of_several_layers():
    method = ScoreCAM(
        ["early", "late"], upsample=True, model=positive_network()
    )
    maps = to_numpy(method(X, Y))

    assert maps.shape == (4, 8, 8) and np.isfinite(maps).all()


@pytest.mark.backend("jax", "torch")
def test_channels_first():
    last = networks.linear()
    expected = to_numpy(Occlusion(3, 2, model=last)(X, Y))
    keras.config.set_image_data_format("channels_first")
    first = keras.Sequential(
        [keras.Input((3, 8, 8)), keras.layers.Permute((2, 3, 1)), last]
    )

    actual = to_numpy(Occlusion(3, 2, model=first)(X.transpose(0, 3, 1, 2), Y))

    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "method, arguments, message",
    [
        (Occlusion, {"patch": 0}, "`patch` should be a whole number"),
        (Occlusion, {"patch": 2, "stride": 3}, "never hidden"),
        (Occlusion, {"batch_size": 0}, "`batch_size` should be a whole"),
        (LIME, {"regions": 1}, "`regions` should be a whole number"),
        (ScoreCAM, {"channels": 0}, "`channels` should be a whole number"),
        (ScoreCAM, {"batch_size": 2.5}, "`batch_size` should be a whole"),
    ],
)
def test_bad_arguments(method, arguments, message):
    with pytest.raises(ValueError, match=message):
        method(**arguments, model=networks.functional())(X, Y)
