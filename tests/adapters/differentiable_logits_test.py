"""Tests of logits and gradients, against closed forms and the frameworks."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.adapters.differentiable_logits import (
    DifferentiableLogits,
)
from tests import networks
from tests.testing import assert_same_state
from tests.testing import gradient
from tests.testing import jitted
from tests.testing import state
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels(6)
WEIGHTS = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")


def weighted(logits, weights=WEIGHTS):
    return ops.sum(ops.multiply(logits, weights))


def by_batches(logits, x=X, weights=WEIGHTS):
    """Returns logits and gradients, computed in batches of four."""
    batches = [
        (values, gradient(weights[rows]))
        for rows, values, gradient in logits.batches(x, 4)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


@pytest.mark.everywhere
@pytest.mark.parametrize("form", ["functional", "subclassed"])
def test_logits_and_gradients(form):
    # The same weights, with logits as outputs.
    reference = networks.FORMS[form]("logits")
    expected = to_numpy(jitted(reference)(ops.convert_to_tensor(X)))
    (slope,) = gradient(jitted(lambda x: weighted(reference(x))), X)

    logits = DifferentiableLogits(networks.FORMS[form]("softmax"))

    np.testing.assert_allclose(logits.predict(X, 4), expected, atol=1e-6)
    values, slopes = by_batches(logits)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(slopes, slope, rtol=1e-4, atol=1e-6)
    # By the framework itself, as Foolbox does.
    (native,) = gradient(lambda x: weighted(logits(x)), X)
    np.testing.assert_allclose(native, slope, rtol=1e-4, atol=1e-6)


def test_image_shapes():
    assert DifferentiableLogits(networks.linear()).image_shape == (8, 8, 3)
    plain = DifferentiableLogits(lambda images: images[:, 0, 0])
    assert plain.image_shape == (None, None, None)


def test_counts_passes():
    logits = DifferentiableLogits(networks.linear())

    logits.predict(X, 4)
    by_batches(logits)
    gradient(lambda x: weighted(logits(x)), X)

    assert (logits.forward_passes, logits.backward_passes) == (18, 12)


def test_one_output_gives_two_logits():
    logits = DifferentiableLogits(networks.sequential("sigmoid"))
    logit = to_numpy(networks.sequential("logit")(X))

    expected = np.concatenate([-logit / 2, logit / 2], axis=-1)
    assert logits.num_classes == 2
    np.testing.assert_allclose(logits.predict(X, 8), expected, atol=1e-6)


def test_leaves_no_trace_and_sees_new_weights():
    model = networks.stateful()
    before = state(model)
    logits = DifferentiableLogits(model)
    first, _ = by_batches(logits)
    logits(ops.convert_to_tensor(X))
    assert_same_state(before, state(model))

    (bias,) = [w for w in model.weights if w.path.endswith("head/bias")]
    bias.assign(bias.value + 3.0)
    np.testing.assert_allclose(by_batches(logits)[0], first + 3, rtol=1e-5)


def test_defended_model_is_seen_as_its_base():
    base = networks.functional("softmax")
    defended = kad.AttentionDefendedModel(base)
    logits = DifferentiableLogits(defended)

    expected = to_numpy(networks.functional("logits")(X))
    np.testing.assert_allclose(logits.predict(X, 8), expected, atol=1e-6)


@pytest.mark.everywhere
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_gradients_survive_half_precision(dtype):
    model, reference = (
        networks.sharpened(networks.sequential("softmax", dtype=policy), 90.0)
        for policy in (dtype, None)
    )
    # As small as the slope of the cross-entropy of a model that is sure.
    weights = 1e-9 * WEIGHTS

    slopes = [
        by_batches(DifferentiableLogits(each), weights=weights)[1].ravel()
        for each in (model, reference)
    ]

    assert np.corrcoef(*slopes)[0, 1] > 0.99
    np.testing.assert_allclose(*map(np.linalg.norm, slopes), rtol=0.05)


def test_random_model_uses_new_random_numbers_each_time():
    model, _ = networks.masked_linear(0.5)
    seeds = [to_numpy(v) for v in model.non_trainable_variables]
    logits = DifferentiableLogits(model)

    first, second = (logits.predict(X, 8) for _ in range(2))

    assert (abs(first - second).max(-1) > 1e-3).all()
    for seed, variable in zip(
        seeds, model.non_trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(variable), seed)


def test_sees_another_activation_and_lora():
    model = networks.functional()
    logits = DifferentiableLogits(model)
    logits.predict(X, 6)

    for change in ("activation", "lora"):
        hidden = model.get_layer("hidden")
        if change == "activation":
            hidden.activation = keras.activations.relu
        else:
            hidden.enable_lora(2)
            for variable in hidden.trainable_weights:
                variable.assign(np.full(variable.shape, 0.1))
        expected = to_numpy(model(X))
        actual = logits.predict(X, 6)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
        ((_, actual, gradient),) = logits.batches(X, 6)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
        fresh = DifferentiableLogits(model).batches(X, 6)
        ((_, _, right),) = fresh
        weights = np.eye(4, dtype="float32")[np.arange(6) % 4]
        np.testing.assert_allclose(
            gradient(weights), right(weights), rtol=1e-4, atol=1e-6
        )


def test_plain_function_is_not_kept():
    weight = keras.Variable(1.0)
    logits = DifferentiableLogits(lambda x: x[:, 0, 0] * weight.value)

    assert logits.num_classes is None
    np.testing.assert_allclose(logits.predict(X, 4), X[:, 0, 0])
    weight.assign(2.0)
    np.testing.assert_allclose(logits.predict(X, 4), 2 * X[:, 0, 0])
