"""Tests of the bounds of images."""

import pytest

from keras_attn_defense.data import resolve_value_range


class Model:
    value_range = (0, 255)


@pytest.mark.parametrize(
    "model, asked, expected",
    [
        (Model(), None, (0.0, 255.0)),
        (Model(), [0, 255.0], (0.0, 255.0)),
        (object(), [-1.0, 1.0], (-1.0, 1.0)),
        (object(), None, (0.0, 1.0)),
    ],
)
def test_what_is_known_counts(model, asked, expected):
    assert resolve_value_range(model, asked) == expected


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match=r"value_range=\(0, 255\). Received"):
        resolve_value_range(Model(), (0, 1))
