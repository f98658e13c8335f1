"""Tests of what attacks maximise."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import objectives
from tests.testing import cross_entropy
from tests.testing import gradient
from tests.testing import to_numpy

LOGITS = np.random.default_rng(0).normal(size=(5, 4)).astype("float32") * 3
LABELS = np.array([0, 3, 1, 2, 2], "int32")


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy(label_smoothing):
    actual = objectives.cross_entropy(
        ops.convert_to_tensor(LOGITS),
        ops.convert_to_tensor(LABELS),
        label_smoothing,
    )

    expected = cross_entropy(LOGITS, LABELS, label_smoothing)
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-5)


def test_extreme_logits():
    labels = ops.convert_to_tensor(LABELS)
    logits = 1e4 * LOGITS

    (slope,) = gradient(
        lambda z: ops.sum(objectives.cross_entropy(z, labels)), logits
    )
    values = objectives.cross_entropy(ops.convert_to_tensor(logits), labels)
    assert np.isfinite(to_numpy(values)).all()
    assert np.isfinite(slope).all() and abs(slope).max() > 0.5
