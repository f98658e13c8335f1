"""The feature-guided objective, on a network whose gradients are known."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import Task
from keras_attn_defense.attacks.objectives import FeatureImportance
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.testing import assert_same_state
from tests.testing import no_gradients
from tests.testing import run_config_test
from tests.testing import state
from tests.testing import to_numpy

X, Y = networks.images_and_labels(5)


@pytest.fixture(scope="module")
def model():
    """Features `x @ F`, logits `tanh(features) @ S`, a place of one pixel."""
    model = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            layers.Conv2D(3, 1, use_bias=False, name="features"),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(networks.NUM_CLASSES, use_bias=False, name="head"),
        ]
    )
    return networks.set_weights(model, 3)


def task_of(model, value_range=(0.0, 1.0)):
    tensors = [ops.convert_to_tensor(value) for value in (X, Y)]
    epsilon = ops.convert_to_tensor(0.1)
    return Task(as_classifier(model), *tensors, epsilon, value_range)


def formula(model, x):
    """The features and the gradient of the class's logit by them."""
    first, second = (w.numpy().astype("float64") for w in model.weights)
    features = x @ first[0, 0]
    back = second.T[Y].reshape(features.shape[-4:])
    return features, back * (1 - np.tanh(features) ** 2), first[0, 0]


def direction(weights):
    size = np.sqrt((weights**2).sum((1, 2, 3), keepdims=True))
    return weights / size


def test_value_and_gradient(model):
    objective = FeatureImportance("features", copies=2, drop=0.0)
    features, gradient, kernel = formula(model, X)
    task = task_of(model)
    before = state(model)
    with no_gradients():
        reference = objective.reference(task)
        found = objective.value_and_gradient(
            task.victim, task.images, task.labels, reference
        )

    weights = direction(gradient)
    np.testing.assert_allclose(
        to_numpy(reference["weights"]), weights, rtol=1e-3, atol=1e-6
    )
    values = -(weights * features).sum((1, 2, 3))
    np.testing.assert_allclose(to_numpy(found[0]), values, rtol=1e-4)
    np.testing.assert_allclose(
        to_numpy(found[1]), -weights @ kernel.T, rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(
        to_numpy(found[2]), to_numpy(model(X)), atol=1e-5
    )
    assert_same_state(before, state(model))


def test_copies_lose_values(model, monkeypatch):
    module = "keras_attn_defense.attacks.objectives.feature_importance"
    chances = np.random.default_rng(1).uniform(size=X.shape)
    monkeypatch.setattr(
        f"{module}.random.uniform",
        lambda shape, seed: ops.convert_to_tensor(chances, "float32"),
    )
    objective = FeatureImportance("features", copies=2, drop=0.4)
    with no_gradients():
        reference = objective.reference(task_of(model, (-1.0, 1.0)))

    changed = np.where(chances < 0.4, -1.0, X)
    weights = direction(formula(model, changed)[1])
    np.testing.assert_allclose(
        to_numpy(reference["weights"]), weights, rtol=1e-3, atol=1e-6
    )


@pytest.mark.once
def test_each_copy_loses_others(model):
    task = task_of(model)
    seen = {}
    with no_gradients():
        for copies in (1, 2, 300):
            objective = FeatureImportance("features", copies, 0.3, seed=2)
            weights = to_numpy(objective.reference(task)["weights"])
            again = to_numpy(objective.reference(task)["weights"])
            np.testing.assert_array_equal(weights, again)
            seen[copies] = weights
    assert abs(seen[1] - seen[2]).max() > 1e-3
    # The mean over what may be lost, from draws of NumPy's.
    draws = np.random.default_rng(0).uniform(size=(2000, *X.shape))
    gradients = formula(model, np.where(draws < 0.3, 0.0, X))[1].mean(0)
    np.testing.assert_allclose(seen[300], direction(gradients), atol=0.01)


@pytest.mark.once
def test_the_attack_takes_the_features_away(model):
    x_adv = BIM(0.1, objective=FeatureImportance("features", 4, seed=0))(
        model, X, Y
    )
    clean, adversarial = (
        np.take_along_axis(to_numpy(model(each)), Y[:, None], -1)
        for each in (X, x_adv)
    )
    assert (adversarial < clean - 0.1).all()


@pytest.mark.once
def test_config_and_checks(model):
    loaded = run_config_test(
        FeatureImportance(model.layers[0], copies=3, drop=0.1, seed=5)
    )
    assert loaded.seed == 5
    for layer in (None, ["features"]):
        with pytest.raises(ValueError, match="`layer` should be one layer"):
            FeatureImportance(layer)
    with pytest.raises(ValueError, match="has no layer named 'feature'"):
        BIM(objective=FeatureImportance("feature"))(model, X, Y)
    with pytest.raises(ValueError, match="Pass the Keras model itself"):
        BIM(objective=FeatureImportance("features"))(lambda x: model(x), X, Y)
    with pytest.raises(ValueError, match="`drop` should be a number"):
        FeatureImportance("features", drop=1.5)
