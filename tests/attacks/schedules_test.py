"""Tests of schedules: their values."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import schedules
from tests.testing import to_numpy

EXPECTED = {
    "constant": [1.0, 1.0, 1.0, 1.0, 1.0],
    "linear": [1.0, 0.75, 0.5, 0.25, 0.0],
    "cosine": [1.0, 0.853553, 0.5, 0.146447, 0.0],
    "switched": [1.0, 1.0, 1.0, 0.0, 0.0],
    "alternating": [1.0, 0.0, 1.0, 0.0, 1.0],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_values(name):
    schedule = schedules.get(name)

    steps = (ops.convert_to_tensor(float(step)) for step in range(5))
    values = [to_numpy(schedule(step, 5)) for step in steps]

    np.testing.assert_allclose(values, EXPECTED[name], atol=1e-6)
    only = schedule(ops.convert_to_tensor(0.0), 1)
    np.testing.assert_array_equal(to_numpy(only), 1.0)
    assert schedules.serialize(schedule) == name
