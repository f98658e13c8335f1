"""Tests of the view of several classifiers as one."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.classifier import EnsembleClassifier
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import to_numpy

X, _ = networks.images_and_labels(3)


def log_probabilities(model):
    logits = to_numpy(as_classifier(model).logits(X)).astype("float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def views(*models):
    return [as_classifier(model) for model in models]


def test_mean_of_log_probabilities():
    models = [networks.sequential("softmax"), networks.functional(scale=3.0)]
    ensemble = EnsembleClassifier(views(*models))

    expected = sum(log_probabilities(model) for model in models) / 2
    for logits in (ensemble.logits(X), ensemble.frozen_logits(X)):
        np.testing.assert_allclose(to_numpy(logits), expected, rtol=1e-4)
    assert ensemble.num_classes == 4
    assert ensemble.input_shape == (None, 8, 8, 3)
    assert len(ensemble.variables) == sum(len(m.variables) for m in models)
    assert as_classifier(ensemble) is ensemble


def test_functions_among_the_members():
    model = networks.functional()
    ensemble = EnsembleClassifier(views(lambda x: model(x), model))
    assert ensemble.num_classes == 4

    ensemble.check_logits(X)

    other = EnsembleClassifier(views(lambda x: model(x)[:, :3], model))
    with pytest.raises(ValueError, match="same classes.*3, 4"):
        other.check_logits(X)


def test_any_size_fits():
    members = views(networks.functional(), networks.functional())
    members[1].input_shape = (None, None, None, 3)

    assert EnsembleClassifier(members).input_shape == (None, 8, 8, 3)

    members[1].input_shape = (None, None, None, 1)
    with pytest.raises(ValueError, match="same inputs"):
        EnsembleClassifier(members)


def test_draws_reach_the_members():
    random, _ = networks.masked_linear(0.5)
    ensemble = EnsembleClassifier(views(random, random))
    x = ops.convert_to_tensor(X)

    draws = [
        to_numpy(ensemble.with_draw(draw).frozen_logits(x))
        for draw in (0, 0, 1)
    ]

    np.testing.assert_array_equal(draws[0], draws[1])
    assert abs(draws[0] - draws[2]).max() > 1e-3
    single = as_classifier(random).with_draw(0).frozen_logits(x)
    single = to_numpy(ops.log_softmax(single))
    np.testing.assert_allclose(draws[0], single, atol=1e-6)
