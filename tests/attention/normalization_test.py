"""Tests of the normalizations of maps, against NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import normalization as normalizations
from tests.testing import gradient
from tests.testing import to_numpy

MAPS = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
POSITIVE = np.maximum(MAPS, 0)
AXES = {"axis": (1, 2), "keepdims": True}
SOFTMAX = np.exp(MAPS) / np.exp(MAPS).sum(**AXES)
EXPECTED = {
    "softmax": SOFTMAX,
    "max": POSITIVE / POSITIVE.max(**AXES),
    "sum": POSITIVE / POSITIVE.sum(**AXES),
    "l2": POSITIVE / np.sqrt((POSITIVE**2).sum(**AXES)),
    None: POSITIVE,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_values(name):
    actual = normalizations.get(name)(ops.convert_to_tensor(MAPS))

    np.testing.assert_allclose(to_numpy(actual), EXPECTED[name], rtol=1e-5)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("value", [0.0, -2.0, 3.0])
def test_constant_maps_and_their_gradients_are_finite(name, value):
    maps = np.full((2, 4, 4), value, "float32")
    function = normalizations.get(name)

    assert np.isfinite(to_numpy(function(ops.convert_to_tensor(maps)))).all()
    (slope,) = gradient(
        lambda maps: ops.sum(function(maps) * ops.arange(4.0)), maps
    )
    assert np.isfinite(slope).all()


def test_softmax_of_large_values():
    maps = 1e4 * ops.convert_to_tensor(MAPS)

    actual = to_numpy(normalizations.softmax(maps))
    np.testing.assert_allclose(actual.max((1, 2)), 1.0)
    np.testing.assert_allclose(actual.sum((1, 2)), 1.0)


def test_unknown_name():
    with pytest.raises(ValueError, match="one of.*'softmax'.*'minmax'"):
        GradCAM(normalization="minmax")
