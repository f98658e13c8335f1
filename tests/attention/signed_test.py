"""Signed maps, which bind the logits, and what a map explains."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels(6)
OTHER = networks.images_and_labels(6, seed=5)[0]


def with_head(*head):
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="conv")(inputs)
    for layer in head:
        x = layer(x)
    x = layers.Dense(4, name="head")(x)
    model = networks.set_weights(keras.Model(inputs, x), seed=3)
    bias = np.random.default_rng(1).normal(size=4)
    model.get_layer("head").bias.assign(bias)
    return model, bias


POOLED = {
    "GradCAM": lambda model: kad.attention.GradCAM(
        normalization="signed", scale_gradients=False, model=model
    ),
    "HiResCAM": lambda model: kad.attention.HiResCAM(
        normalization="signed", model=model
    ),
}


@pytest.mark.parametrize("name", POOLED)
def test_a_signed_map_sums_to_the_logit_less_its_bias(name):
    model, bias = with_head(layers.GlobalAveragePooling2D())
    maps = to_numpy(POOLED[name](model)(X, Y))
    logits = to_numpy(model(X))[np.arange(6), Y]
    np.testing.assert_allclose(maps.sum((1, 2)), logits - bias[Y], rtol=1e-4)
    assert maps.min() < 0


def test_behind_a_flattening_it_is_hirescam_that_does():
    model, bias = with_head(layers.Flatten())
    logits = to_numpy(model(X))[np.arange(6), Y]
    sums = {n: to_numpy(f(model)(X, Y)).sum((1, 2)) for n, f in POOLED.items()}
    np.testing.assert_allclose(sums["HiResCAM"], logits - bias[Y], rtol=1e-4)
    assert abs(sums["GradCAM"] - logits + bias[Y]).max() > 0.01


def test_a_margin_map_bounds_the_change_of_the_margin():
    model, _ = with_head(layers.GlobalAveragePooling2D())
    method = kad.attention.HiResCAM(
        normalization="signed", score="margin", model=model
    )
    logits = to_numpy(model(X))
    others = np.where(np.eye(4)[Y], -np.inf, logits).argmax(-1)
    rows = np.arange(6)
    plain = POOLED["HiResCAM"](model)
    expected = to_numpy(plain(X, Y)) - to_numpy(plain(X, others))
    maps = to_numpy(method(X, Y))
    np.testing.assert_allclose(maps, expected, atol=1e-5)

    moved = to_numpy(plain(OTHER, Y)) - to_numpy(plain(OTHER, others))
    change = abs(moved - maps).sum((1, 2))
    new = to_numpy(model(OTHER))
    margins = (z[rows, Y] - z[rows, others] for z in (logits, new))
    before, after = margins
    assert (change >= abs(after - before) - 1e-5).all()


def test_several_signed_layers_are_averaged_as_they_are():
    model = networks.residual()
    each = [
        to_numpy(kad.attention.HiResCAM(name, "signed", model=model)(X, Y))
        for name in ("branch", "sum")
    ]
    both = kad.attention.HiResCAM(["branch", "sum"], "signed", model=model)
    expected = (each[0] + each[1]) / 2
    np.testing.assert_allclose(to_numpy(both(X, Y)), expected, atol=1e-5)


def test_gradients_of_the_loss_by_finite_differences():
    model = networks.functional(scale=3.0)
    method = kad.attention.InputGradients(
        None, score="loss", normalization="signed", model=model
    )
    maps = to_numpy(method(X, Y))
    assert maps.shape == X.shape

    def loss(x):
        logits = to_numpy(model(x))
        return np.log(np.exp(logits).sum(-1)) - logits[np.arange(6), Y]

    for place in [(0, 0, 0), (3, 5, 2), (7, 7, 1)]:
        step = np.zeros_like(X)
        step[(slice(None), *place)] = 1e-2
        high, low = (loss(X + s) for s in (step, -step))
        actual = maps[(slice(None), *place)]
        np.testing.assert_allclose(actual, (high - low) / 2e-2, atol=2e-4)
        assert np.abs(actual).max() > 0.01


def test_config_and_bad_input():
    method = kad.attention.GradCAM(normalization="signed", score="margin")
    copy = kad.attention.GradCAM.from_config(method.get_config())
    assert (copy.normalization, copy.score) == ("signed", "margin")
    for make in (kad.attention.HiResCAM, kad.attention.InputGradients):
        with pytest.raises(ValueError, match="`score` should be one of"):
            make(score="margins")


def test_maps_with_channels_cannot_be_masked():
    method = kad.attention.InputGradients(None, normalization="signed")
    with pytest.raises(ValueError, match="keeps the channels of its maps"):
        kad.AttentionDefendedModel(networks.functional(), attention=method)
    model = kad.AttentionDefendedModel(
        networks.functional(), attention=method, rectification_weight=0.0
    )
    assert to_numpy(model.attention_map(X, Y)).shape == X.shape
    assert ops.shape(method.explain(model.classifier, X, Y)[1]) == X.shape
