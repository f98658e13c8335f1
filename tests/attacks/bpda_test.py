"""Tests of BPDA: exact values, approximate gradients, on models that hide."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import BPDA
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks.engine.image_gradient import image_gradient
from keras_attn_defense.attacks.objectives import margin
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import assert_same_state
from tests.testing import no_gradients
from tests.testing import state
from tests.testing import to_numpy

X, Y = networks.images_and_labels(2)
LEVELS = 15.0


def quantize(x):
    return ops.round(x * LEVELS) / LEVELS


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Quantize(layers.Layer):
    def call(self, inputs):
        # A gradient of zero; TensorFlow and JAX know of none otherwise.
        return quantize(inputs) + 0.0 * inputs


def predicted(model, x=X):
    logits = as_classifier(model).logits(ops.convert_to_tensor(x))
    return to_numpy(logits).argmax(-1).astype("int32")


def gradient(victim, x=X, y=Y):
    labels = ops.convert_to_tensor(y)
    with no_gradients():
        return to_numpy(
            image_gradient(
                as_classifier(victim).frozen_logits,
                lambda logits: margin(logits, labels),
                ops.convert_to_tensor(x),
            )[1]
        )


def with_quantisation(position):
    """A network, and the same with a layer `quantize` in it."""
    plain = networks.functional()
    inputs = keras.Input(networks.IMAGE_SHAPE)
    quantized = keras.Model(
        inputs, plain(Quantize(name="quantize")(inputs)), name="quantized"
    )
    if position == "inside":
        return plain, quantized, BPDA(quantized, "quantize")
    return plain, quantized, BPDA(plain, quantize)


@pytest.mark.parametrize("position", ["before", "inside"])
def test_values_are_exact_and_gradients_the_networks(position):
    plain, quantized, victim = with_quantisation(position)
    before = state(victim.model)

    for logits in (victim.logits, victim.frozen_logits):
        np.testing.assert_array_equal(
            to_numpy(logits(ops.convert_to_tensor(X))), to_numpy(quantized(X))
        )
    # The identity: the network's gradient at the quantized image.
    expected = gradient(plain, to_numpy(quantize(X)))
    np.testing.assert_allclose(gradient(victim), expected, rtol=1e-5)
    assert not gradient(quantized).any()
    assert_same_state(before, state(victim.model))


def test_layer_itself():
    _, quantized, victim = with_quantisation("inside")
    layer = quantized.get_layer("quantize")

    same = BPDA(quantized, layer)

    np.testing.assert_array_equal(gradient(same), gradient(victim))


def test_approximation():
    plain = networks.functional()

    def cubed(x):
        return x**3

    victim = BPDA(plain, quantize, approximation=cubed)

    expected = gradient(plain, to_numpy(quantize(X))) * 3 * X**2
    np.testing.assert_allclose(gradient(victim), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("attack", [PGD, APGD])
def test_attacks_on_a_quantised_model(attack):
    _, quantized, victim = with_quantisation("inside")
    y = predicted(quantized)

    accuracy = {}
    for name, model in (("hidden", quantized), ("bpda", victim)):
        x_adv = to_numpy(attack(0.3, steps=5, seed=0)(model, X, y))
        accuracy[name] = (predicted(quantized, x_adv) == y).mean()

    # What is left without gradients is the random start.
    assert accuracy["hidden"] == 1.0
    assert accuracy["bpda"] == 0.0


def test_other_shape():
    # Every other value in each direction, approximated by means of four.
    network = networks.linear(shape=(4, 4, 3))
    pooling = layers.AveragePooling2D(2)

    def thinned(x):
        return x[:, ::2, ::2, :]

    victim = BPDA(network, thinned, pooling, input_shape=(8, 8, 3))

    logits = to_numpy(victim.logits(ops.convert_to_tensor(X)))
    np.testing.assert_array_equal(logits, to_numpy(network(thinned(X))))
    expected = gradient(network, X[:, ::2, ::2]).repeat(2, 1).repeat(2, 2) / 4
    np.testing.assert_allclose(gradient(victim), expected, rtol=1e-5, atol=1e-9)
    assert victim.input_shape == (None, 8, 8, 3)
    y = predicted(victim)
    x_adv = to_numpy(PGD(0.5, steps=3)(victim, X, y))
    assert (predicted(victim, x_adv) != y).any()

    with pytest.raises(ValueError, match="as `approximation` a function"):
        BPDA(network, thinned).logits(ops.convert_to_tensor(X))


def test_compiled_code_is_not_taken_for_the_model_itself():
    plain = networks.functional()
    y = predicted(plain)
    attack = PGD(0.1, steps=2, random_start=False)

    def nothing(x):
        return ops.zeros_like(x)

    def harmless(x):
        return x

    on_plain = to_numpy(attack(plain, X, y))
    assert not np.array_equal(
        on_plain, to_numpy(attack(BPDA(plain, nothing), X, y))
    )
    np.testing.assert_allclose(
        to_numpy(attack(BPDA(plain, harmless), X, y)), on_plain, atol=1e-6
    )


def test_random_preprocessing():
    plain = networks.linear()
    mask = networks.Mask(0.5)
    victim = BPDA(plain, mask, approximation=mask)
    seed = to_numpy(mask.seed_generator.state.value)

    gradients = [gradient(victim.with_draw(draw)) for draw in (0, 0, 1)]

    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert (gradients[0] != gradients[2]).mean() > 0.3
    np.testing.assert_array_equal(mask.seed_generator.state.value, seed)


def test_value_range():
    plain = networks.functional()

    def scaled(x):
        return quantize(x / 255.0)

    victim = BPDA(plain, scaled, lambda x: x / 255.0, value_range=(0, 255))
    x = 255.0 * X
    x_adv = to_numpy(FGSM()(victim, x, Y))

    assert victim.value_range == (0.0, 255.0)
    np.testing.assert_allclose(abs(x_adv - x).max(), 8.0, rtol=1e-4)


@pytest.mark.parametrize(
    "preprocessing, message",
    [
        ("sharpen", "0 layers named 'sharpen'"),
        (3, "`preprocessing` should be a function"),
        (None, "`preprocessing` should be a function"),
    ],
)
def test_bad_preprocessing(preprocessing, message):
    with pytest.raises(ValueError, match=message):
        BPDA(networks.functional(), preprocessing)
