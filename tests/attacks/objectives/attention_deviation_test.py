"""Tests of the attention's deviation as an objective: values, second order."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks.objectives import AttentionDeviation
from keras_attn_defense.attacks.running.task import Task
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import cross_entropy
from tests.testing import finite_differences
from tests.testing import float64_enabled
from tests.testing import no_gradients
from tests.testing import to_numpy

X, Y = networks.images_and_labels(3)
MOVED = np.clip(X + 0.1 * np.random.default_rng(2).normal(size=X.shape), 0, 1)
MOVED = MOVED.astype("float32")


def maps_of(model, images):
    method = GradCAM(normalization="l2", upsample=False, model=model)
    return to_numpy(method(images, Y))


def evaluated(objective, model, moved=MOVED, clean=X):
    victim = Classifier(model)
    labels = ops.convert_to_tensor(Y)
    clean, moved = (
        ops.convert_to_tensor(v, dtype=v.dtype) for v in (clean, moved)
    )
    task = Task(victim, clean, labels, 0.1, (0.0, 1.0))
    with no_gradients():
        reference = objective.reference(task)
        return [
            to_numpy(value)
            for value in objective.value_and_gradient(
                victim, moved, labels, reference
            )
        ]


def test_value():
    model = networks.functional()

    values, _, logits = evaluated(AttentionDeviation(3.0), model)

    expected = to_numpy(model(MOVED))
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    deviation = (maps_of(model, X) - maps_of(model, MOVED)) ** 2
    expected = cross_entropy(expected, Y) + 3.0 * deviation.sum((1, 2))
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert (deviation.sum((1, 2)) > 1e-3).all()


def test_gradient_is_of_second_order():
    # Through the weights of the map too: finite differences in float64.
    with float64_enabled():
        model = networks.functional(dtype="float64")
        objective = AttentionDeviation(
            1.0,
            objective=None,
            attention=GradCAM("features", "softmax", upsample=False),
        )
        clean, moved = X.astype("float64"), MOVED.astype("float64")
        _, gradient, _ = evaluated(objective, model, moved, clean)
        indices = np.random.default_rng(0).choice(X[0].size, 8, replace=False)

        def first(image):
            batch = np.concatenate([image[None], moved[1:]])
            return evaluated(objective, model, batch, clean)[0][0]

        expected = finite_differences(first, moved[0].copy(), indices)

    np.testing.assert_allclose(
        gradient[0].reshape(-1)[indices], expected, rtol=2e-4, atol=1e-9
    )
    assert abs(expected).max() > 1e-6


@pytest.mark.parametrize("objective", [None, "margin", "targeted_dlr"])
def test_attacks_move_the_attention_further(objective):
    model = networks.functional()
    arguments = {"epsilon": 0.05, "steps": 5, "seed": 0}
    plain = PGD(**arguments, objective=objective or "margin")
    moving = PGD(**arguments, objective=AttentionDeviation(50.0, objective))

    def deviation(attack):
        moved = maps_of(model, to_numpy(attack(model, X, Y)))
        return ((moved - maps_of(model, X)) ** 2).sum((1, 2))

    assert deviation(moving).mean() > 1.1 * deviation(plain).mean()


def test_gradient_of_one_image_does_not_depend_on_the_others():
    model = networks.functional()
    _, together, _ = evaluated(AttentionDeviation(3.0), model)
    others = MOVED[::-1].copy()
    others[0] = MOVED[0]
    clean = X[::-1].copy()
    clean[0] = X[0]

    _, again, _ = evaluated(AttentionDeviation(3.0), model, others, clean)

    np.testing.assert_allclose(again[0], together[0], rtol=1e-3, atol=1e-6)
