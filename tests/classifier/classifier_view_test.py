"""Tests of what all views have in common: numbered draws, and identities."""

import itertools

import numpy as np
from keras import ops

from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import assert_same_state
from tests.testing import jitted
from tests.testing import state
from tests.testing import to_numpy

X, _ = networks.images_and_labels(2)


def logits(view):
    return to_numpy(view.frozen_logits(ops.convert_to_tensor(X)))


def test_draws_differ_and_repeat():
    model, _ = networks.masked_linear(0.5)
    before = state(model)
    view = as_classifier(model)

    views = [
        view,
        view.with_draw(0),
        view.with_draw(1),
        view.with_draw(0).with_draw(0),
        view.with_draw(0).with_draw(1),
        view.with_draw(1).with_draw(0),
        view.with_draw(2000).with_draw(3),
    ]

    values = [logits(each) for each in views]
    for first, second in itertools.combinations(values, 2):
        assert abs(first - second).max() > 1e-3
    for each, value in zip(views, values, strict=True):
        np.testing.assert_array_equal(logits(each), value)
    assert view.draw is None
    assert_same_state(before, state(model))


def test_draw_of_a_tensor():
    model, _ = networks.masked_linear(0.5)
    view = as_classifier(model)

    @jitted
    def drawn(number, x):
        return view.with_draw(number).with_draw(number).frozen_logits(x)

    x = ops.convert_to_tensor(X)
    for number in (0, 5):
        value = drawn(ops.convert_to_tensor(number, "int32"), x)
        expected = logits(view.with_draw(number).with_draw(number))
        np.testing.assert_allclose(to_numpy(value), expected, atol=1e-5)


def test_identity():
    model, other = networks.functional(), networks.functional()

    assert as_classifier(model).identity == as_classifier(model).identity
    assert as_classifier(model).identity != as_classifier(other).identity
