"""Tests of where the channels of images are."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.data import along_channels
from keras_attn_defense.data import channel_axis
from keras_attn_defense.data import from_channels_last
from keras_attn_defense.data import image_size
from keras_attn_defense.data import side_axes
from keras_attn_defense.data import to_channels_last
from tests.testing import to_numpy

SHAPES = {"channels_last": (2, 4, 5, 3), "channels_first": (2, 3, 4, 5)}


@pytest.fixture(params=list(SHAPES))
def images(request):
    """Images in each data format, while Keras is set to it."""
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(request.param)
    shape = SHAPES[request.param]
    yield np.arange(np.prod(shape), dtype="float32").reshape(shape)
    keras.config.set_image_data_format(before)


def test_axes(images):
    assert images.shape[channel_axis()] == 3
    assert images.shape[side_axes()] == (4, 5)
    assert tuple(image_size(images)) == (4, 5)


def test_data_format_of_a_layer_counts(images):
    for data_format, shape in SHAPES.items():
        assert shape[side_axes(data_format)] == (4, 5)
        moved = to_channels_last(np.zeros(shape), data_format)
        assert moved.shape == (2, 4, 5, 3)


@pytest.mark.parametrize("convert", [np.asarray, ops.convert_to_tensor])
def test_there_and_back(images, convert):
    given = convert(images)
    last = to_channels_last(given)

    assert type(last) is type(given) and tuple(last.shape) == (2, 4, 5, 3)
    np.testing.assert_array_equal(to_numpy(from_channels_last(last)), images)


def test_numbers_along_channels(images):
    changed = to_channels_last(images * along_channels([1.0, 0.0, 2.0]))
    expected = to_channels_last(images) * [1.0, 0.0, 2.0]

    np.testing.assert_array_equal(changed, expected)
    assert (images * along_channels(2.0)).shape == images.shape
