"""Tests of Carlini and Wagner's penalties and of their rounds."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks.carlini_wagner_penalties import ExcessOverBound
from keras_attn_defense.attacks.carlini_wagner_penalties import SquaredLength
from tests.testing import gradient
from tests.testing import to_numpy

CHANGE = np.random.default_rng(0).normal(size=(3, 2, 2, 1)).astype("float32")
LABELS = np.zeros(3, "int32")


def numpy(search):
    return {name: to_numpy(value) for name, value in search.items()}


def begun(penalty):
    return penalty.begin(ops.convert_to_tensor(LABELS))


@pytest.mark.parametrize("penalty", [SquaredLength(1.0, 5), ExcessOverBound(1)])
def test_slope(penalty):
    search = begun(penalty)

    _, slope = penalty(ops.convert_to_tensor(CHANGE), search)

    (expected,) = gradient(lambda x: ops.sum(penalty(x, search)[0]), CHANGE)
    np.testing.assert_allclose(to_numpy(slope), expected, rtol=1e-6)


def test_values():
    change = ops.convert_to_tensor(CHANGE)
    length = SquaredLength(1.0, 5)
    excess = ExcessOverBound(1.0)

    values = to_numpy(length(change, begun(length))[0])
    np.testing.assert_allclose(values, (CHANGE**2).sum((1, 2, 3)), rtol=1e-6)
    search = {**begun(excess), "bound": ops.convert_to_tensor([0.0, 0.5, 9.0])}
    values = to_numpy(excess(change, search)[0])
    expected = np.maximum(
        abs(CHANGE) - np.reshape([0.0, 0.5, 9.0], (3, 1, 1, 1)), 0
    )
    np.testing.assert_allclose(values, expected.sum((1, 2, 3)), rtol=1e-6)


def test_bisection():
    # Constants of 40, 0.3 and more than can be reached are enough.
    enough = np.array([40.0, 0.3, np.inf])
    penalty = SquaredLength(1.0, rounds=6)
    search = begun(penalty)
    constants = []
    while not to_numpy(penalty.is_over(search)).any():
        constant = to_numpy(search["constant"])
        constants.append(constant)
        succeeded = ops.convert_to_tensor(constant >= enough)
        search = penalty.next(search, succeeded, None)

    assert to_numpy(penalty.is_over(search)).all()
    np.testing.assert_allclose(
        np.transpose(constants),
        [
            [1, 10, 100, 55, 32.5, 43.75],
            [1, 0.5, 0.25, 0.375, 0.3125, 0.28125],
            [1, 10, 100, 1e3, 1e4, 1e5],
        ],
    )


def test_shrinking_bound():
    penalty = ExcessOverBound(0.3)
    sizes = ops.convert_to_tensor([0.5, 2.0, 0.5])

    search = penalty.next(
        begun(penalty), ops.convert_to_tensor([True, True, False]), sizes
    )

    found = numpy(search)
    np.testing.assert_allclose(found["bound"], [0.45, 0.9, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found["constant"], [0.3, 0.3, 3.0], rtol=1e-6)
    failed = ops.convert_to_tensor([False, True, True])
    search = penalty.next(search, failed, sizes)
    search = penalty.next(search, failed, sizes)
    # No constant is enough for a bound of 0.9 times the last: less far down.
    np.testing.assert_allclose(
        to_numpy(search["bound"])[0], 0.5 * 0.9**0.5, rtol=1e-6
    )
    for _ in range(3):
        assert not to_numpy(penalty.is_over(search)).any()
        search = penalty.next(search, failed, sizes)
    np.testing.assert_array_equal(
        to_numpy(penalty.is_over(search)), [True, False, False]
    )
