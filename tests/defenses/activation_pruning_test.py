"""Stochastic activation pruning: chances, means, and copies of networks."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_attn_defense as kad
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.defenses import StochasticActivationPruning
from keras_attn_defense.defenses import defend
from tests import networks
from tests.testing import run_config_test
from tests.testing import to_numpy

X, _ = networks.images_and_labels(4)


def test_chances_and_mean():
    a = np.array([[-3.0, 0.0, 1.0, 0.5, 0.2, -0.1]], "float32")
    draws = 4000
    layer = StochasticActivationPruning(samples=0.5, seed=1)
    # Each copy is one draw.
    pruned = to_numpy(layer(np.repeat(a, draws, axis=0)))
    p = abs(a) / abs(a).sum()
    kept = 1 - np.exp(-0.5 * a.size * p)
    survives = pruned != 0
    np.testing.assert_allclose(survives.mean(0), kept[0], atol=0.03)
    np.testing.assert_allclose(pruned.mean(0), a[0], atol=0.12)
    expected = np.broadcast_to(a / np.maximum(kept, 1e-9), pruned.shape)
    np.testing.assert_allclose(pruned[survives], expected[survives], rtol=1e-4)
    many = StochasticActivationPruning(samples=1e4, activation="relu")
    same(many(a), np.maximum(a, 0))
    run_config_test(many)


def same(found, expected):
    np.testing.assert_allclose(
        to_numpy(found), to_numpy(expected), rtol=1e-3, atol=1e-5
    )


def deep(activation="relu"):
    """Activations of every form, nested, with a layer that has weights."""
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation=activation),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    )
    inputs = keras.Input((8, 8, 3))
    x = layers.PReLU(name="prelu")(layers.Conv2D(4, 3)(inner(inputs)))
    x = layers.Activation("tanh")(layers.Flatten()(x))
    outputs = layers.Dense(4, activation="softmax")(x)
    return networks.set_weights(keras.Model(inputs, outputs, name="deep"))


def test_copy_of_a_network(tmp_path):
    network = deep()
    pruning = StochasticActivationPruning(samples=1e5, draws=7, seed=3)
    model = defend(network, pruning, name="pruned")
    found = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, StochasticActivationPruning)
    ]
    assert len(found) == 4 and model.name == "pruned"
    assert len({layer.seed for layer in found}) == 4
    # So many draws keep everything.
    same(model(X), network(X))
    view = as_classifier(model)
    assert view.draws == 7 and len(view.declared) == 4

    few = defend(network, StochasticActivationPruning(0.3, seed=3))
    assert abs(to_numpy(few(X)) - to_numpy(few(X))).max() > 0.01
    few = defend(network, StochasticActivationPruning(0.3, seed=3))
    few.save(tmp_path / "pruned.keras")
    loaded = keras.saving.load_model(tmp_path / "pruned.keras")
    same(loaded(X), few(X))


@pytest.mark.once
def test_behind_preprocessing():
    network = deep()
    whole = kad.preprocessing.with_preprocessing(network, (-1, 1))
    model = defend(whole, StochasticActivationPruning(samples=1e5))
    assert model.value_range == (0.0, 255.0)
    same(model(255 * X), whole(255 * X))


@pytest.mark.once
def test_networks_that_cannot_be_pruned():
    for network in (networks.subclassed(), networks.linear()):
        with pytest.raises(ValueError, match="Activations are pruned in"):
            defend(network, StochasticActivationPruning())
