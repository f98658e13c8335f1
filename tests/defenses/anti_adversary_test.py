"""Anti-adversaries: steps in closed form, guides, and what they do not do."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.defenses import AntiAdversary
from keras_attn_defense.defenses import defend
from tests import networks
from tests.defenses.helpers import findings
from tests.testing import to_numpy

X, Y = networks.images_and_labels(4)


def test_steps_of_a_linear_network():
    # The gradient of log p of the class is its row less the mean of all rows,
    # each weighted with its probability.
    network = networks.linear()
    kernel, bias = (to_numpy(w).astype("float64") for w in network.weights)
    x = X.reshape(4, -1).astype("float64")
    logits = x @ kernel + bias
    classes = logits.argmax(-1)
    for _ in range(3):
        z = x @ kernel + bias
        p = np.exp(z - z.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        slope = kernel.T[classes] - p @ kernel.T
        x = np.clip(x + 0.05 * np.sign(slope), 0, 1)
    layer = AntiAdversary(network, steps=3, step_size=0.05)
    moved = to_numpy(layer(X)).reshape(4, -1)
    np.testing.assert_allclose(moved, x, atol=1e-6)
    # Training sees the images themselves.
    np.testing.assert_array_equal(to_numpy(layer(X, training=True)), X)


def test_guide_is_the_network_behind(tmp_path):
    network = networks.functional("softmax")
    layer = AntiAdversary(steps=2, step_size=0.05)
    with pytest.raises(ValueError, match="no guide yet"):
        layer(X)
    model = defend(network, layer)
    other = defend(network, AntiAdversary(network, steps=2, step_size=0.05))
    before, after = to_numpy(network(X)), to_numpy(model(X))
    np.testing.assert_allclose(after, to_numpy(other(X)), atol=1e-6)
    assert (after.argmax(-1) == before.argmax(-1)).all()
    assert (after.max(-1) > before.max(-1) + 0.01).all()
    assert layer._view is None and len(model.weights) == len(network.weights)
    for number, each in enumerate((model, other)):
        path = tmp_path / f"{number}.keras"
        each.save(path)
        loaded = keras.saving.load_model(path)
        np.testing.assert_allclose(to_numpy(loaded(X)), after, atol=1e-6)


def test_attacked_as_if_it_were_not_there():
    network = networks.functional()
    model = defend(network, AntiAdversary())
    x = ops.convert_to_tensor(X)
    view = as_classifier(model)
    np.testing.assert_allclose(
        to_numpy(view.frozen_logits(x)), to_numpy(network(x)), atol=1e-5
    )
    assert abs(to_numpy(view.logits(x) - network(x))).max() > 0.01
    names = [call.layer.name for call in view.calls]
    assert len(names) == len(set(names))  # Steps are not listened to.


@pytest.mark.once
def test_maps_are_those_of_the_moved_image():
    network = networks.functional()
    layer = AntiAdversary(network)
    model = defend(network, AntiAdversary())
    found, expected = (
        to_numpy(kad.attention.GradCAM(model=m)(x, Y))
        for m, x in ((model, X), (network, layer(X)))
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.once
def test_optimization_that_is_declared_raises_no_flag(network, known):
    images, labels, _ = known
    name = "optimization at inference"
    model = defend(network, AntiAdversary())
    raised, _ = findings(model, images[:8], labels[:8], [name])[name]
    assert not raised
    model.preprocessing.how_to_attack = lambda: kad.defenses.HowToAttack()
    square = {"square": kad.attacks.Square(queries=2, seed=0)}
    found = findings(model, images[:8], labels[:8], [name], square)
    assert found[name][0]
