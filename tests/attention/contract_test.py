"""Tests of the contract of all attention methods, alone and in training."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense import attention
from keras_attn_defense.attacks.objectives import AttentionDeviation
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.attention.helpers import positive_network
from tests.testing import jitted
from tests.testing import run_attention_method_test
from tests.testing import tensor
from tests.testing import to_numpy

X, Y = networks.images_and_labels()
# Four plain squares: superpixels of images of noise would be arbitrary.
SQUARES = np.random.default_rng(3).uniform(0.1, 0.9, (4, 2, 2, 3))
SQUARES = SQUARES.repeat(4, axis=1).repeat(4, axis=2).astype("float32")
SOFTMAX = {"normalization": "softmax"}
METHODS = {
    "grad-cam++": {**SOFTMAX, "layer": "last", "upsample": False},
    "xgrad-cam": {**SOFTMAX, "layer": ["last", "features"]},
    "hires-cam": SOFTMAX,
    "layer-cam": SOFTMAX,
    "eigen-cam": {},
    "score-cam": {**SOFTMAX, "channels": 3, "batch_size": 2},
    "input-gradients": {"times_input": True},
    "smoothgrad": {"samples": 2},
    "occlusion": {**SOFTMAX, "patch": 4, "stride": 4, "batch_size": 3},
    "lime": {**SOFTMAX, "regions": 4, "samples": 30},
}


@pytest.mark.parametrize("name", METHODS)
def test_contract(name):
    if name == "lime":
        pytest.importorskip("lime")

    run_attention_method_test(
        attention.get(name, **METHODS[name]),
        networks.functional("softmax"),
        SQUARES if name == "lime" else X,
        Y,
        knows_classes=name != "eigen-cam",
    )


@pytest.mark.parametrize(
    "method",
    [attention.LayerCAM(upsample=True), attention.InputGradients()],
    ids=lambda method: type(method).__name__,
)
def test_models_of_images_of_any_size(method):
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, strides=2, activation="tanh"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )
    method.model = networks.set_weights(model)

    method.check(Classifier(model))

    assert method(X, Y).shape == (4, 8, 8)


def test_in_a_step_that_users_compile():
    model = positive_network()
    methods = [
        attention.get(name, model=model)
        for name in ("grad-cam++", "smoothgrad")
    ]

    def maps(images):
        given = [method(images, Y) for method in methods]
        return [*given, methods[0](images, "runner_up")]

    compiled = jitted(maps)(tensor(X))
    for actual, expected in zip(compiled, maps(tensor(X)), strict=True):
        np.testing.assert_allclose(
            to_numpy(actual), to_numpy(expected), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("name", ["layer-cam", "eigen-cam"])
def test_half_precision(name):
    maps = [
        attention.get(name, normalization="max", model=model)(X, Y)
        for model in (positive_network(), positive_network("mixed_float16"))
    ]

    expected, actual = map(to_numpy, maps)
    np.testing.assert_allclose(actual, expected, atol=0.06)
    assert actual.dtype == "float32" and expected.max() > 0.9


@pytest.mark.parametrize(
    "method",
    [
        attention.LayerCAM(["early", "late"], "l2"),
        attention.SmoothGrad(0.1, 2),
    ],
    ids=lambda method: type(method).__name__,
)
def test_training_moves_the_head(method):
    base = positive_network()
    model = kad.AttentionDefendedModel(
        base,
        kad.attacks.FGSM(0.1),
        method,
        classification_weight=0.0,
        rectification_weight=0.0,
        preservation_weight=100.0,
        validation_attack=None,
    )
    head = base.get_layer("head").kernel
    before = to_numpy(head.value)

    history = model.fit(X, Y, verbose=0).history

    assert np.isfinite(history["loss"]).all() and history["loss"][0] > 0
    assert abs(to_numpy(head.value) - before).max() > 1e-5


@pytest.mark.parametrize("name", ["score-cam", "occlusion", "lime"])
def test_methods_without_a_gradient_are_refused(name):
    model = networks.functional()
    method = attention.get(name)

    with pytest.raises(ValueError, match="no gradient flows through its maps"):
        kad.AttentionDefendedModel(model, attention=method)
    attack = kad.attacks.PGD(objective=AttentionDeviation(attention=method))
    with pytest.raises(ValueError, match="no gradient flows through its maps"):
        attack(model, X, Y)


@pytest.mark.backend("tensorflow", "jax")
def test_methods_of_many_passes_are_refused_in_compiled_steps():
    model = networks.functional()
    for name in ("score-cam", "occlusion"):
        method = attention.get(name, model=model)
        with pytest.raises(ValueError, match="needs images with values"):
            jitted(lambda x, method=method: method(x, Y))(tensor(X))


def test_unknown_name():
    with pytest.raises(ValueError, match="'grad-cam'.*Received: 'gradients'"):
        attention.get("gradients")
    method = attention.HiResCAM()
    assert attention.get(method) is method
