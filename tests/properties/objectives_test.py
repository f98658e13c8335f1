"""Objectives and losses: bounds, invariances, and forms of labels."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_attn_defense import losses
from keras_attn_defense.attacks import objectives
from tests import testing
from tests.properties import strategies
from tests.properties.strategies import CLASSES
from tests.properties.strategies import examples
from tests.testing import to_numpy

BATCH = 3
shifts = st.floats(-20, 20, width=32)
RECTIFICATION = {
    # Name: the lowest value.
    "squared_error": -2.0,
    "mean_squared_error": -2.0 / CLASSES,
    "l1": -2.0,
    "kl": -np.inf,
    "jensen_shannon": -np.log(2),
    "cross_entropy": -np.inf,
}


def _softmax(z):
    e = np.exp(z.astype("float64") - z.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype("float32")


@examples(30)
@given(z=strategies.logits(BATCH), y=strategies.labels(BATCH), shift=shifts)
def test_cross_entropy(z, y, shift):
    values = to_numpy(objectives.cross_entropy(z, y))

    assert (values >= 0).all()
    expected = testing.cross_entropy(z, y)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    hot = np.eye(CLASSES, dtype="float32")[y]
    again = to_numpy(objectives.cross_entropy(z, hot))
    np.testing.assert_array_equal(again, values)
    shifted = to_numpy(objectives.cross_entropy(z + shift, y))
    np.testing.assert_allclose(shifted, values, rtol=1e-4, atol=1e-4)


@examples(30)
@given(
    z=strategies.logits(BATCH),
    y=strategies.labels(BATCH),
    scale=st.floats(2**-6, 2**6, width=32),
)
def test_signs_of_margins_and_ratios_say_what_is_wrong(z, y, scale):
    margin, ratio = (
        to_numpy(function(z, y))
        for function in (objectives.margin, objectives.dlr)
    )

    rows = np.arange(BATCH)
    others = np.where(np.eye(CLASSES, dtype=bool)[y], -np.inf, z).max(-1)
    np.testing.assert_array_equal(np.sign(margin), np.sign(others - z[rows, y]))
    np.testing.assert_array_equal(margin, others - z[rows, y])
    np.testing.assert_array_equal(np.sign(ratio), np.sign(margin))
    spread = np.sort(z)[:, -1] - np.sort(z)[:, -3]
    clear = spread > 1e-3
    scaled = to_numpy(objectives.dlr(z * scale, y))
    np.testing.assert_allclose(scaled[clear], ratio[clear], rtol=1e-3)
    assert (ratio[clear & (margin < 0)] >= -1 - 1e-5).all()


@examples(20)
@given(
    z=strategies.logits(BATCH),
    y=strategies.labels(BATCH),
    offset=st.integers(1, CLASSES - 1),
)
def test_targeted_ratio_rises_with_the_target(z, y, offset):
    target = (y + offset) % CLASSES

    ratio = to_numpy(objectives.targeted_dlr(z, y, target))

    rows = np.arange(BATCH)
    assert np.isfinite(ratio).all()
    np.testing.assert_array_equal(
        np.sign(ratio), np.sign(z[rows, target] - z[rows, y])
    )


@examples(20)
@given(z=strategies.logits(BATCH), w=strategies.logits(BATCH))
def test_divergence_is_zero_at_equality_and_never_negative(z, w):
    objective = objectives.KLDivergence()
    reference = {"clean": keras.ops.log_softmax(z, axis=-1)}
    y = np.zeros(BATCH, "int32")

    same, other = (
        to_numpy(objective.call(keras.ops.convert_to_tensor(v), y, reference))
        for v in (z, w)
    )

    np.testing.assert_allclose(same, 0.0, atol=1e-5)
    assert (other >= -1e-5).all()


@pytest.mark.parametrize(
    "name", ["cross_entropy", "margin", "dlr", "targeted_dlr"]
)
@examples(10)
@given(
    z=strategies.logits(BATCH, largest=10.0),
    y=strategies.labels(BATCH),
    order=st.permutations(range(BATCH)),
)
def test_each_image_has_its_own_value(name, z, y, order):
    function = getattr(objectives, name)
    more = [(y + 1) % CLASSES] if name == "targeted_dlr" else []

    values = to_numpy(function(z, y, *more))

    order = np.array(order)
    permuted = function(z[order], y[order], *(each[order] for each in more))
    np.testing.assert_array_equal(to_numpy(permuted), values[order])


@pytest.mark.parametrize("distance", RECTIFICATION)
@examples(15)
@given(z=strategies.logits(BATCH), w=strategies.logits(BATCH))
def test_rectification_is_never_positive(distance, z, w):
    loss = losses.RectificationLoss(distance, reduction=None)

    values, same = (to_numpy(loss(z, v)) for v in (w, z))

    assert np.isfinite(values).all() and (values <= 1e-5).all()
    assert (values >= RECTIFICATION[distance] - 1e-5).all()
    if distance != "cross_entropy":
        np.testing.assert_allclose(same, 0.0, atol=1e-5)
    _assert_reductions(losses.RectificationLoss, z, w, values, distance)
    p = losses.RectificationLoss(distance, from_logits=False, reduction=None)
    bounded = distance not in ("kl", "cross_entropy")
    if bounded:  # The logarithm of a small probability is bounded otherwise.
        np.testing.assert_allclose(
            to_numpy(p(_softmax(z), _softmax(w))), values, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    "distance", ["squared_error", "l1", "mean_absolute_error"]
)
@examples(15)
@given(first=strategies.maps(BATCH), second=strategies.maps(BATCH))
def test_preservation_is_a_distance(distance, first, second):
    loss = losses.PreservationLoss(distance, reduction=None)

    values = to_numpy(loss(first, second))

    assert (values >= 0).all()
    differ = (first != second).any((1, 2))
    # Squares of the smallest differences underflow.
    assert (values[~differ] == 0).all()
    np.testing.assert_array_equal(to_numpy(loss(second, first)), values)
    _assert_reductions(losses.PreservationLoss, first, second, values, distance)


def _assert_reductions(cls, y_true, y_pred, values, *arguments):
    for reduction, expected in (
        ("sum", values.sum()),
        ("sum_over_batch_size", values.mean()),
    ):
        value = cls(*arguments, reduction=reduction)(y_true, y_pred)
        np.testing.assert_allclose(
            to_numpy(value), expected, rtol=1e-4, atol=1e-6
        )


@examples(20)
@given(z=strategies.logits(BATCH, largest=10.0), y=strategies.labels(BATCH))
def test_crossentropy_of_labels_of_any_form(z, y):
    loss = losses.LabelCrossentropy(from_logits=True, reduction=None)
    of_probabilities = losses.LabelCrossentropy(reduction=None)

    values = to_numpy(loss(y, z))

    assert (values >= 0).all()
    expected = testing.cross_entropy(z, y)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    hot = np.eye(CLASSES, dtype="float32")[y]
    for form in (y[:, None], y.astype("float32"), hot):
        np.testing.assert_allclose(
            to_numpy(loss(form, z)), values, rtol=1e-5, atol=1e-6
        )
    # Keras bounds probabilities by 1e-7.
    np.testing.assert_allclose(
        to_numpy(of_probabilities(y, _softmax(z))),
        np.minimum(expected, -np.log(1e-7)),
        rtol=1e-3,
        atol=1e-4,
    )
