"""Tests of Square."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks.objectives import ExpectationOverTransformation
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(6)


@pytest.fixture(scope="module")
def model():
    return networks.sequential()


def predictions(model, x):
    return to_numpy(Classifier(model).logits(x)).argmax(-1)


def margins(model, x, y):
    logits = to_numpy(Classifier(model).logits(x)).astype("float64")
    own = logits[np.arange(len(y)), y]
    logits[np.arange(len(y)), y] = -np.inf
    return logits.max(-1) - own


def test_each_query_is_kept_only_if_it_is_better(model):
    y = predictions(model, X)
    results = [
        Square(0.02, queries, seed=0).run(model, X, y) for queries in (6, 61)
    ]

    values = np.array([margins(model, r.images, y) for r in results])
    assert (np.diff(values, axis=0) >= -1e-6).all()
    assert (values[-1] > values[0] + 1e-4).all()
    np.testing.assert_array_equal(results[0].forward_passes, 7)
    np.testing.assert_array_equal(results[0].backward_passes, 0)


@pytest.mark.parametrize("norm, epsilon", [("linf", 0.02), ("l2", 0.25)])
def test_comes_close_to_what_gradients_find(model, norm, epsilon):
    y = predictions(model, X)
    blind = Square(epsilon, 250, norm=norm, rescale_schedule=True, seed=0)
    informed = PGD(epsilon, steps=20, objective="margin", norm=norm, seed=0)
    clean, *found = (
        margins(model, x, y)
        for x in (
            X,
            blind.run(model, X, y).images,
            informed.run(model, X, y).images,
        )
    )

    gain = (found[0] - clean) / (found[1] - clean)
    assert gain.mean() > (0.65 if norm == "linf" else 0.4)
    assert gain.max() < 1.01


def test_needs_no_gradient(model):
    """Gradients of rounded images vanish; Square finds its way."""

    def rounded(images):
        return model(ops.round(images * 4.0) / 4.0)

    y = predictions(model, X)
    x_adv = Square(0.4, 40, seed=0).run(rounded, X, y).images

    before, after = (margins(model, np.round(x * 4) / 4, y) for x in (X, x_adv))
    assert (after > before + 0.1 * abs(before)).all()


@pytest.mark.everywhere
def test_targeted(model):
    y = to_numpy(Classifier(model).logits(X)).argsort(-1)[:, -2]

    result = Square(0.8, 200, targeted=True, seed=0).run(model, X, y)
    assert (predictions(model, result.images) == y).all()
    assert result.forward_passes.max() < 201


def test_channels_first(model):
    y = predictions(model, X)
    first = np.ascontiguousarray(X.transpose(0, 3, 1, 2))

    def channels_first(images):
        return model(ops.transpose(images, (0, 2, 3, 1)))

    attack = Square(0.3, 5, norm="l2", seed=0)
    expected = attack.run(model, X, y).images
    attack.reseed(0)
    keras.config.set_image_data_format("channels_first")
    actual = attack.run(channels_first, first, y).images
    np.testing.assert_allclose(
        actual.transpose(0, 2, 3, 1), expected, atol=1e-6
    )


@pytest.mark.parametrize("p_init", [0.0, 1.5])
def test_impossible_share(p_init):
    with pytest.raises(ValueError, match="`p_init` should be a number above 0"):
        Square(p_init=p_init)


def test_objective_with_passes_of_its_own():
    objective = ExpectationOverTransformation(samples=3)

    with pytest.raises(ValueError, match="needs an objective that is a fun"):
        Square(objective=objective)


def test_impossible_queries():
    with pytest.raises(ValueError, match="`queries` should be a whole number"):
        Square(queries=0)
