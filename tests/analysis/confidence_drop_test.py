"""Tests of the drop in confidence on masked images."""

import numpy as np
import pytest
from scipy.special import softmax

from keras_attn_defense.analysis import confidence_drop
from keras_attn_defense.attention import AttentionMask
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels(5)


@pytest.mark.parametrize("mask", [None, AttentionMask("area", 0.1, fill=0.2)])
def test_against_numpy(mask):
    model = networks.linear()
    maps = np.random.default_rng(1).random((5, 8, 8))

    actual = confidence_drop(model, X, maps, Y, mask, batch_size=2)

    if mask is None:
        area, fill = maps > maps.mean((1, 2), keepdims=True), 0.5
    else:
        # Six of the 64 positions.
        border = np.sort(maps.reshape(5, -1))[:, -7].reshape(5, 1, 1)
        area, fill = maps > border, 0.2
    masked = np.where(area[..., None], fill, X)
    before, after = (
        softmax(to_numpy(model(each, training=False)), -1)[np.arange(5), Y]
        for each in (X, masked)
    )
    np.testing.assert_allclose(actual, before - after, atol=1e-6)


def test_bad_input():
    model = networks.linear()
    maps = np.ones((4, 8, 8))
    with pytest.raises(ValueError, match="5 images and 4 maps"):
        confidence_drop(model, X, maps, Y)
    with pytest.raises(ValueError, match="label"):
        confidence_drop(model, X[:4], maps, [0, 1, 2, 9])
