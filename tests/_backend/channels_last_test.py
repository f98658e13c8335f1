"""Tests that PyTorch is spared copies, and that nothing else changes."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from tests.testing import to_numpy

pytestmark = pytest.mark.backend("torch")

X = np.random.default_rng(0).normal(size=(3, 9, 8, 4)).astype("float32")


def copies(function):
    import torch

    with torch.profiler.profile() as profile:
        function()
    events = {event.key: event.count for event in profile.key_averages()}
    return events.get("aten::clone", 0)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(3, 3, padding="same"),
        layers.Conv2D(3, 3, strides=2, padding="same"),
        layers.DepthwiseConv2D(3),
        layers.MaxPooling2D(),
        layers.AveragePooling2D(3, strides=2, padding="same"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_same_result(layer):
    from keras_attn_defense._backend.torch import channels_stay_last

    x = ops.convert_to_tensor(X)
    expected = to_numpy(layer(x).detach())

    with channels_stay_last():
        actual = layer(x)

    np.testing.assert_array_equal(to_numpy(actual.detach()), expected)


def test_fewer_copies():
    from keras_attn_defense._backend.torch import channels_stay_last

    model = keras.Sequential(
        [keras.Input(X.shape[1:]), layers.Conv2D(3, 3), layers.Conv2D(2, 3)]
    )
    x = ops.convert_to_tensor(X)

    def inside():
        with channels_stay_last():
            model(x)

    before, after = copies(lambda: model(x)), copies(inside)
    assert before - after >= 4  # Two for each convolution.


def test_a_users_own_copy_is_made():
    from keras_attn_defense._backend.torch import channels_stay_last

    x = ops.convert_to_tensor(X)
    with channels_stay_last():
        moved = x.permute(0, 3, 1, 2).contiguous()

    assert moved.view(3, -1).shape == (3, 288)
    assert moved.data_ptr() != x.data_ptr()
