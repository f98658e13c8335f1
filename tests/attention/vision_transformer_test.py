"""Tests of attention maps over the tokens of vision transformers."""

import keras
import numpy as np
import pytest

from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import HiResCAM
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.attention.helpers import normalized
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


@pytest.fixture(scope="module")
def models():
    return {
        pool: networks.vision_transformer(pool) for pool in ("token", "mean")
    }


def features_of(model, name):
    layer = model.get_layer(name)
    return to_numpy(keras.Model(model.inputs[0], layer.output)(X))


def test_closed_form_of_mean_pooling(models):
    # dz_y / dA_nk = W[k, y] / n, at every token.
    model = models["mean"]
    kernel = to_numpy(model.get_layer("head").kernel.value)
    maps = np.einsum(
        "bnk,kb->bn", features_of(model, "final_norm"), kernel[:, Y] / 16
    )

    cam = GradCAM(
        "final_norm",
        "softmax",
        upsample=False,
        scale_gradients=False,
        model=model,
    )

    expected = normalized(maps.reshape(-1, 4, 4), "softmax")
    np.testing.assert_allclose(
        to_numpy(cam(X, Y)), expected, rtol=1e-5, atol=1e-7
    )
    assert np.ptp(expected, axis=(1, 2)).min() > 1e-3


def test_class_tokens_are_left_out(models):
    # Behind the last attention only the class token has a gradient.
    cam = HiResCAM("final_norm", "l2", upsample=False, model=models["token"])

    np.testing.assert_array_equal(to_numpy(cam(X, Y)), np.zeros((4, 4, 4)))


@pytest.mark.parametrize("pool", ["token", "mean"])
def test_default_is_what_enters_the_last_attention(models, pool):
    assert Classifier(models[pool]).feature_layer().name == "two_norm"


def test_patches_of_a_class_token(models):
    cam = GradCAM(upsample=True, model=models["token"])
    cam.check(Classifier(models["token"]))
    maps, others = (to_numpy(cam(X, labels)) for labels in (Y, (Y + 1) % 4))

    assert maps.shape == (4, 8, 8) and np.isfinite(maps).all()
    assert (np.ptp(maps, axis=(1, 2)) > 0).all()
    assert (abs(others - maps).max(axis=(1, 2)) > 1e-6).all()


def test_grid_by_hand(models):
    inferred, same, other = (
        to_numpy(
            HiResCAM("two_norm", "l2", False, grid=grid, model=models["token"])(
                X, Y
            )
        )
        for grid in (None, (4, 4), [2, 8])
    )

    np.testing.assert_array_equal(same, inferred)
    assert other.shape == (4, 2, 8) and other.max() > 0
    np.testing.assert_allclose(other.reshape(4, -1), inferred.reshape(4, -1))


def test_maps_and_tokens_are_merged(models):
    model = models["token"]
    cam = GradCAM(["two_norm", "patches"], "max", upsample=False, model=model)
    tokens, patches = (
        to_numpy(GradCAM(name, "max", upsample=False, model=model)(X, Y))
        for name in ("two_norm", "patches")
    )

    np.testing.assert_allclose(
        to_numpy(cam(X, Y)), normalized(tokens + patches, "max"), atol=1e-4
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"layer": "two_norm", "grid": (5, 5)}, "grid of 5x5.*has 17"),
        ({"layer": "two_nrm"}, "no layer named 'two_nrm'.*'two_norm'"),
        ({"layer": "head"}, r"tokens \(batch, n, channels\).*'final_norm'"),
    ],
)
def test_bad_arguments(models, arguments, message):
    with pytest.raises(ValueError, match=message):
        GradCAM(**arguments, model=models["token"])(X, Y)
