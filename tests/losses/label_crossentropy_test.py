"""Tests of the cross-entropy for every form of labels."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.losses import LabelCrossentropy
from tests.testing import gradient
from tests.testing import run_loss_test
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
LABELS = np.array([0, 3, 1, 2, 2])
LOGITS = GENERATOR.normal(size=(5, 4)).astype("float32") * 3
P = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LOG_P = np.log(P)
COLUMN = LOGITS[:, :1]
SIGMOID = 1 / (1 + np.exp(-COLUMN))
BITS = np.array([0, 1, 1, 0, 1])
SOFT = 0.9 * np.eye(4)[LABELS] + 0.025
BINARY = -np.where(BITS, np.log(SIGMOID[:, 0]), np.log(1 - SIGMOID[:, 0]))
SPARSE = -LOG_P[range(5), LABELS]


@pytest.mark.parametrize(
    "labels, expected, scores",
    [
        (LABELS, SPARSE, (P, LOGITS)),
        (LABELS[:, None], SPARSE, (P, LOGITS)),
        (LABELS.astype("float32"), SPARSE, (P, LOGITS)),
        (np.eye(4)[LABELS], SPARSE, (P, LOGITS)),
        (SOFT, -(SOFT * LOG_P).sum(-1), (P, LOGITS)),
        (BITS, BINARY, (SIGMOID, COLUMN)),
        (BITS[:, None], BINARY, (SIGMOID, COLUMN)),
        (BITS.astype("float32"), BINARY, (SIGMOID, COLUMN)),
    ],
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_closed_form(labels, expected, scores, from_logits):
    run_loss_test(
        LabelCrossentropy,
        labels,
        scores[from_logits].astype("float32"),
        expected,
        from_logits=from_logits,
    )


@pytest.mark.parametrize(
    "loss_class, labels, scores",
    [
        (keras.losses.SparseCategoricalCrossentropy, LABELS, LOGITS),
        (keras.losses.CategoricalCrossentropy, np.eye(4)[LABELS], LOGITS),
        (keras.losses.BinaryCrossentropy, BITS[:, None], COLUMN),
    ],
)
def test_equals_the_loss_of_keras(loss_class, labels, scores):
    expected = loss_class(from_logits=True)(labels, scores)

    actual = LabelCrossentropy(from_logits=True)(labels, scores)
    np.testing.assert_allclose(to_numpy(actual), to_numpy(expected), rtol=1e-6)


def test_two_classes_with_two_outputs_are_not_one_hot_labels_of_one():
    labels = np.array([[0], [1]])
    logits = np.array([[1.0, -1.0], [1.0, -1.0]], "float32")

    actual = LabelCrossentropy(from_logits=True, reduction=None)(labels, logits)
    expected = np.log1p(np.exp([-2.0, 2.0]))
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-5)


@pytest.mark.parametrize("labels", [LABELS, np.eye(4, dtype="float32")[LABELS]])
def test_extreme_logits(labels):
    loss = LabelCrossentropy(from_logits=True)
    logits = 1e4 * LOGITS
    targets = ops.convert_to_tensor(labels)

    assert np.isfinite(to_numpy(loss(targets, logits)))
    (slope,) = gradient(lambda z: loss(targets, z), logits)
    assert np.isfinite(slope).all() and abs(slope).max() > 0.1
