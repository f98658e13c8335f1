"""Tests of the preservation loss."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.losses import PreservationLoss
from tests.testing import gradient
from tests.testing import run_loss_test
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
CLEAN = GENERATOR.uniform(size=(4, 6, 5)).astype("float32")
MOVED = GENERATOR.uniform(size=(4, 6, 5)).astype("float32")
DIFFERENCE = CLEAN.astype("float64") - MOVED
EXPECTED = {
    "squared_error": (DIFFERENCE**2).sum((1, 2)),
    "l1": abs(DIFFERENCE).sum((1, 2)),
    "mean_absolute_error": abs(DIFFERENCE).mean((1, 2)),
}


@pytest.mark.parametrize("distance", EXPECTED)
def test_closed_form(distance):
    run_loss_test(
        PreservationLoss, CLEAN, MOVED, EXPECTED[distance], distance=distance
    )


def test_default_is_the_sum_of_squares():
    np.testing.assert_allclose(
        to_numpy(PreservationLoss()(CLEAN, MOVED)),
        EXPECTED["squared_error"].mean(),
        rtol=1e-5,
    )


@pytest.mark.parametrize("distance", EXPECTED)
def test_equal_maps(distance):
    loss = PreservationLoss(distance)
    assert float(to_numpy(loss(CLEAN, CLEAN))) == 0.0
    target = ops.convert_to_tensor(CLEAN)
    (slope,) = gradient(lambda maps: loss(target, maps), CLEAN)
    np.testing.assert_array_equal(slope, 0.0)


def test_both_maps_get_a_gradient():
    slopes = gradient(lambda a, b: PreservationLoss()(a, b), CLEAN, MOVED)

    np.testing.assert_allclose(slopes[0], 2 * DIFFERENCE / 4, rtol=1e-4)
    np.testing.assert_allclose(slopes[1], -2 * DIFFERENCE / 4, rtol=1e-4)


def test_unknown_distance():
    with pytest.raises(ValueError, match="'l1'.*'squared_error'.*'euclid'"):
        PreservationLoss("euclid")
