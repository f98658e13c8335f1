"""Tests of the checks that arguments of all kinds share."""

import keras
import numpy as np
import pytest

from keras_attn_defense._arguments import check_count
from keras_attn_defense._arguments import check_counts
from keras_attn_defense._arguments import check_number
from keras_attn_defense._arguments import plain_errors


@pytest.mark.parametrize(
    "value",
    [3, np.int64(3), np.uint8(3), np.array(3)],
)
def test_whole_numbers_of_every_kind(value):
    found = check_count("steps", value)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize(
    "value",
    [True, np.True_, 3.0, np.float64(3), "3", None, 0, np.int32(-1), [3]],
)
def test_what_is_no_count_is_refused(value):
    with pytest.raises(ValueError, match="`steps` should be a whole number of"):
        check_count("steps", value)


def test_counts_that_belong_together():
    found = check_counts("size", np.array([3, 4]), ("height", "width"))
    assert found == (3, 4) and all(type(each) is int for each in found)


@pytest.mark.parametrize(
    "value", [3, None, "34", (3,), (3, 4, 5), (3, 0), (3, 4.0), [(3, 4)]]
)
def test_what_are_no_counts_is_refused(value):
    message = r"`size` should be \(height, width\), whole numbers of at least 1"
    with pytest.raises(ValueError, match=message):
        check_counts("size", value, ("height", "width"))


@pytest.mark.parametrize(
    "value",
    [0.5, np.float32(0.5), np.float16(0.5), np.float64(0.5), np.array(0.5)],
)
def test_numbers_of_every_kind(value):
    found = check_number("rate", value)
    assert found == 0.5 and type(found) is float
    assert check_number("rate", np.int64(2)) == 2.0


@pytest.mark.parametrize(
    "value",
    [True, np.True_, "0.5", None, -0.1, np.nan, np.inf, 1j, [0.5], np.ones(2)],
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="`rate` should be a number of at le"):
        check_number("rate", value)


def test_bounds_of_numbers():
    assert check_number("share", 1.0, 0.0, 1.0) == 1.0
    with pytest.raises(ValueError, match="from 0 to 1. Received: share=1.5"):
        check_number("share", 1.5, 0.0, 1.0)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        check_number("share", 0.0, 0.0, 1.0, above=True)
    with pytest.raises(ValueError, match="a number above 0, in pixels"):
        check_number("share", 0, above=True, unit="in pixels")


class Strict(keras.layers.Layer):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def call(self, inputs):
        raise self.error


def test_the_error_of_a_layer_is_its_own_sentence():
    with pytest.raises(ValueError, match="^Pass another.$"), plain_errors():
        Strict(ValueError("Pass another."))(np.zeros((1, 2)))
    with pytest.raises(TypeError, match="Pass another"), plain_errors():
        Strict(TypeError("Pass another."))(np.zeros((1, 2)))
