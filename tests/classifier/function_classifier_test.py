"""Tests of the view of plain functions."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.classifier import Classifier
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import to_numpy

X, _ = networks.images_and_labels()


def test_model_and_function():
    model = networks.sequential()
    assert isinstance(as_classifier(model), Classifier)

    function = as_classifier(lambda images: 2.0 * model(images))
    function.check_logits(X)

    np.testing.assert_allclose(
        to_numpy(function.logits(X)), 2.0 * to_numpy(model(X)), rtol=1e-6
    )
    assert function.num_classes == 4


@pytest.mark.parametrize("ending", ["softmax", "softmax_layer"])
def test_function_that_returns_probabilities(ending):
    model = networks.sequential(ending)

    with pytest.raises(ValueError, match="probabilities where logits are"):
        as_classifier(lambda images: model(images)).check_logits(X)


def test_function_whose_scores_lie_between_zero_and_one():
    # They do not sum to one: they may be logits.
    as_classifier(lambda images: images[:, 0, 0, :]).check_logits(X)


@pytest.mark.parametrize("value", [None, "model", 3])
def test_neither_model_nor_function(value):
    with pytest.raises(ValueError, match="Keras classifier or a function"):
        as_classifier(value)


def test_half_precision_outputs():
    function = as_classifier(lambda x: ops.cast(x[:, 0, 0, :], "float16"))

    assert to_numpy(function.logits(X)).dtype == "float32"
