"""Tests of the attack that knows the defense."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense import AttentionDefendedModel
from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.classifier import Classifier
from keras_attn_defense.losses import RSLAD
from tests import networks
from tests.testing import cross_entropy
from tests.testing import no_gradients
from tests.testing import to_numpy

X, Y = networks.images_and_labels(3)


@pytest.fixture(scope="module")
def model():
    return AttentionDefendedModel(networks.functional())


def values_and_gradient(objective, model, moved):
    victim, labels = Classifier(model), ops.convert_to_tensor(Y)
    task = Task(victim, ops.convert_to_tensor(X), labels, 0.1, (0.0, 1.0))
    with no_gradients():
        reference = objective.reference(task)
        values, gradient, _ = objective.value_and_gradient(
            victim, ops.convert_to_tensor(moved), labels, reference
        )
    return to_numpy(values), to_numpy(gradient)


def test_value_is_the_training_loss_of_each_image(model):
    moved = np.clip(X + 0.05 * np.sign(X - 0.5), 0, 1).astype("float32")

    values, _ = values_and_gradient(model.adaptive_objective, model, moved)

    def softmax(logits):
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    base, attention = model.base, model.attention
    maps = [
        to_numpy(attention.explain(Classifier(base), image, Y)[1])
        for image in (X, moved)
    ]
    masked = model.mask(ops.convert_to_tensor(moved), maps[1])
    logits, rest = (to_numpy(base(image)) for image in (moved, masked))
    distance = ((softmax(logits) - softmax(rest)) ** 2).mean(-1)
    deviation = ((maps[1] - maps[0]) ** 2).sum((1, 2))
    expected = (
        0.5 * cross_entropy(logits, Y) - 0.25 * distance + 0.0625 * deviation
    )
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert (distance > 1e-6).all() and (deviation > 1e-6).all()


def attacked_by_name_and_on_the_base(attack, model):
    arguments = {"epsilon": 0.1, "steps": 3, "seed": 3}
    by_name = attack(**arguments, objective="defense")
    on_base = attack(**arguments, objective=model.adaptive_objective)

    x_adv = to_numpy(by_name(model, X, Y))

    np.testing.assert_allclose(
        to_numpy(on_base(model.base, X, Y)), x_adv, rtol=0, atol=1e-6
    )
    return x_adv


def test_attack_by_name_and_on_the_base(model):
    x_adv = attacked_by_name_and_on_the_base(PGD, model)

    before, _ = values_and_gradient(model.adaptive_objective, model, X)
    after, _ = values_and_gradient(model.adaptive_objective, model, x_adv)
    assert (after > before).all()


@pytest.mark.backend("tensorflow", "torch")  # JAX takes long to compile it.
def test_apgd_by_name_and_on_the_base(model):
    x_adv = attacked_by_name_and_on_the_base(APGD, model)

    assert abs(x_adv - X).max() > 0.05


def test_terms_of_weight_zero_are_left_out():
    model = AttentionDefendedModel(
        networks.functional(),
        classification_weight=1.0,
        rectification_weight=0.0,
        preservation_weight=0.0,
    )

    values, _ = values_and_gradient(model.adaptive_objective, model, X)

    expected = cross_entropy(to_numpy(model.base(X)), Y)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert model.adaptive_objective.passes == (1, 1)


def test_config(model):
    serialized = keras.saving.serialize_keras_object(model.adaptive_objective)

    loaded = keras.saving.deserialize_keras_object(serialized)

    expected, _ = values_and_gradient(model.adaptive_objective, model, 1 - X)
    actual, _ = values_and_gradient(loaded, model, 1 - X)
    np.testing.assert_array_equal(actual, expected)


def taught(teacher):
    return AttentionDefendedModel(
        networks.functional(),
        robust_loss=RSLAD(teacher),
        rectification_weight=0.0,
        preservation_weight=20.0,
        preservation_pair="teacher",
    )


def test_a_teacher_is_not_saved_but_asked_for():
    objective = taught(networks.functional(seed=4)).adaptive_objective
    serialized = keras.saving.serialize_keras_object(objective)

    loaded = keras.saving.deserialize_keras_object(serialized)

    assert objective.passes == loaded.passes == (2, 2)
    with pytest.raises(ValueError, match="RSLAD has no teacher"):
        PGD(0.1, steps=1, objective=loaded)(networks.functional(), X, Y)


def test_a_teacher_that_has_changed_is_asked_anew():
    teacher = networks.functional(seed=4)
    model = taught(teacher)
    settings = {"steps": 2, "objective": "defense", "random_start": False}
    attack = PGD(0.1, **settings)
    before = to_numpy(attack(model, X, Y))
    teacher.set_weights(networks.functional(seed=9, scale=3.0).get_weights())

    after = to_numpy(attack(model, X, Y))

    anew = to_numpy(PGD(0.1, **settings)(model, X, Y))
    np.testing.assert_array_equal(after, anew)
    assert not np.array_equal(before, after)
