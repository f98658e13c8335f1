"""Tests of the rectification loss."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.losses import RectificationLoss
from tests.testing import finite_differences
from tests.testing import gradient
from tests.testing import run_loss_test
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
WHOLE = GENERATOR.normal(size=(5, 4)).astype("float32") * 2
MASKED = GENERATOR.normal(size=(5, 4)).astype("float32") * 2


def softmax(logits):
    logits = np.asarray(logits, "float64")
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def kl(p, q):
    return (p * np.log(p / q)).sum(-1)


DISTANCES = {
    "squared_error": lambda p, q: ((p - q) ** 2).sum(-1),
    "mean_squared_error": lambda p, q: ((p - q) ** 2).mean(-1),
    "l1": lambda p, q: abs(p - q).sum(-1),
    "kl": kl,
    "jensen_shannon": lambda p, q: (
        (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2
    ),
    "cross_entropy": lambda p, q: -(p * np.log(q)).sum(-1),
}
BOUNDS = {
    "squared_error": 2.0,
    "mean_squared_error": 0.5,
    "l1": 2.0,
    "jensen_shannon": np.log(2),
}


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("from_logits", [True, False])
def test_closed_form(distance, from_logits):
    p, q = softmax(WHOLE), softmax(MASKED)
    scores = (WHOLE, MASKED) if from_logits else (p, q)

    run_loss_test(
        RectificationLoss,
        *(each.astype("float32") for each in scores),
        -DISTANCES[distance](p, q),
        distance=distance,
        from_logits=from_logits,
    )


def test_defaults():
    p, q = softmax(WHOLE), softmax(MASKED)

    np.testing.assert_allclose(
        to_numpy(RectificationLoss()(WHOLE, MASKED)),
        -((p - q) ** 2).mean(),
        rtol=1e-5,
    )


@pytest.mark.parametrize("distance", BOUNDS)
def test_bounds_are_reached_and_not_passed(distance):
    whole = np.array([[80.0, 0, 0, 0], [1e4, 0, 0, 0], [0, 3, 2, 1]], "float32")
    masked = whole[:, ::-1].copy()
    loss = RectificationLoss(distance, reduction=None)

    values = -to_numpy(loss(whole, masked))
    np.testing.assert_allclose(values[:2], BOUNDS[distance], rtol=1e-5)
    assert (values <= BOUNDS[distance] * (1 + 1e-6)).all()
    assert 0 < values[2] < 0.99 * BOUNDS[distance]


@pytest.mark.parametrize("distance", sorted(set(DISTANCES) - {"cross_entropy"}))
def test_equal_predictions_have_no_distance(distance):
    loss = RectificationLoss(distance)
    target = ops.convert_to_tensor(WHOLE)

    np.testing.assert_allclose(to_numpy(loss(WHOLE, WHOLE)), 0.0, atol=1e-6)
    (slope,) = gradient(lambda logits: loss(target, logits), WHOLE)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e30])
def test_extreme_logits(distance, scale):
    whole = scale * np.array([[1, 0, 0], [1, 0, -1], [0, 0, 0]], "float32")
    masked = scale * np.array([[0, 1, 0], [1, 0, -1], [0, 1, -1]], "float32")
    loss = RectificationLoss(distance)

    assert np.isfinite(to_numpy(loss(whole, masked)))
    slopes = gradient(lambda a, b: loss(a, b), whole, masked)
    assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("distance", DISTANCES)
def test_probabilities_of_zero_and_one(distance):
    loss = RectificationLoss(distance, from_logits=False)
    p = np.array([[1, 0, 0], [1, 0, 0]], "float32")
    q = np.array([[0, 1, 0], [1, 0, 0]], "float32")

    assert np.isfinite(to_numpy(loss(p, q)))
    slopes = gradient(lambda a, b: loss(a, b), p, q)
    assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("distance", DISTANCES)
def test_gradient_to_both_predictions(distance):
    # Some probabilities are equal: a maximum of the two has a kink there.
    whole = np.array([[0.5, 1.0, -1.0], [0.0, 0.5, 1.0]])
    masked = np.array([[0.5, -1.0, 1.0], [1.0, 0.5, -0.3]])
    loss = RectificationLoss(distance)

    slopes = gradient(
        lambda a, b: loss(a, b),
        whole.astype("float32"),
        masked.astype("float32"),
    )
    expected = [
        finite_differences(
            lambda a: -DISTANCES[distance](softmax(a), softmax(masked)).mean(),
            whole,
        ),
        finite_differences(
            lambda b: -DISTANCES[distance](softmax(whole), softmax(b)).mean(),
            masked,
        ),
    ]
    for slope, differences in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(
            slope.ravel(), differences, rtol=1e-4, atol=1e-6
        )
        assert abs(slope).max() > 1e-3


def test_half_precision_inputs():
    loss = RectificationLoss("kl")(
        ops.cast(WHOLE, "float16"), ops.cast(MASKED, "float16")
    )

    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    expected = -kl(softmax(WHOLE), softmax(MASKED)).mean()
    np.testing.assert_allclose(to_numpy(loss), expected, rtol=1e-2)


def test_unknown_distance():
    with pytest.raises(ValueError, match="one of.*'kl'.*'wasserstein'"):
        RectificationLoss("wasserstein")
