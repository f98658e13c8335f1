"""Tests of resizing maps to a size that only the graph knows."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attention.resizing import resized
from tests.testing import to_numpy


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("size", [(7, 9), (2, 3), (4, 5), (1, 20)])
def test_a_size_that_is_not_static_gives_the_same_maps(size):
    import tensorflow as tf

    maps = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    spec = (tf.TensorSpec((None, None, None)), tf.TensorSpec((2,), tf.int32))

    @tf.function(input_signature=spec, autograph=False)
    def in_graph(maps, size):
        return resized(maps, (size[0], size[1]))

    expected = ops.image.resize(
        maps[..., None], size, data_format="channels_last"
    )[..., 0]
    np.testing.assert_allclose(
        to_numpy(in_graph(maps, size)), to_numpy(expected), atol=1e-6
    )
