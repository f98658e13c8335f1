"""Tests of the map that tokens form."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.classifier.token_grid import laid_out
from keras_attn_defense.classifier.token_grid import token_grid
from tests.testing import to_numpy


@pytest.mark.parametrize(
    "tokens, image_size, grid",
    [
        (16, (8, 8), (4, 4)),
        (17, (8, 8), (4, 4)),  # A class token.
        (201, (224, 224), (14, 14)),  # And four registers.
        (198, (224, 224), (14, 14)),  # Or one of distillation.
        (6, (2, 2), (2, 2)),  # The fewest in front that leave a map.
        (33, (16, 32), (4, 8)),
        (33, (32, 16), (8, 4)),
        (197, (None, None), (14, 14)),
    ],
)
def test_inferred(tokens, image_size, grid):
    assert token_grid(tokens, image_size) == grid


def test_by_hand():
    assert token_grid(17, (8, 8), (2, 8)) == (2, 8)


@pytest.mark.parametrize(
    "arguments",
    [(23, (8, 8)), (1, (8, 8)), (2, (8, 8)), (16, (16, 32))],
)
def test_no_such_map(arguments):
    with pytest.raises(ValueError, match=r"`grid=\(height, width\)`"):
        token_grid(*arguments)


def test_grid_of_more_positions_than_tokens():
    with pytest.raises(ValueError, match="grid of 5x4 positions.*has 17"):
        token_grid(17, (8, 8), (5, 4))


def test_laid_out():
    tokens = np.arange(2 * 7 * 3, dtype="float32").reshape(2, 7, 3)

    actual = to_numpy(laid_out(ops.convert_to_tensor(tokens), (2, 3)))

    np.testing.assert_array_equal(actual, tokens[:, 1:].reshape(2, 2, 3, 3))
