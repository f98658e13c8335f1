"""Defensive distillation: temperatures, and what they hide."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.defenses import distill
from tests import networks
from tests.evaluation import fake_defenses
from tests.evaluation.fake_defenses import EPSILON
from tests.testing import run_config_test
from tests.testing import to_numpy

X, Y = networks.images_and_labels(8)


def test_student_learns_the_teachers_probabilities(tmp_path):
    teacher = networks.functional(scale=3.0)
    student = networks.functional(seed=9, scale=0.5)
    before = [to_numpy(w) for w in teacher.weights]
    model = distill(
        teacher, student, X, temperature=4.0, epochs=60, learning_rate=0.03
    )
    for weight, value in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)
    expected = to_numpy(ops.softmax(to_numpy(teacher(X)) / 4.0))
    untrained = networks.functional(seed=9, scale=0.5)
    errors = [
        abs(to_numpy(ops.softmax(to_numpy(m(X)) / 4.0)) - expected).mean()
        for m in (untrained, model)
    ]
    assert errors[1] < 0.6 * errors[0]
    # The student answers without the temperature, is attacked with it.
    logits = to_numpy(student(X))
    np.testing.assert_allclose(to_numpy(model(X)), logits, atol=1e-6)
    trained = to_numpy(model(X, training=True))
    np.testing.assert_allclose(trained, logits / 4.0, atol=1e-6)
    seen = as_classifier(model).frozen_logits(ops.convert_to_tensor(X))
    np.testing.assert_allclose(to_numpy(seen), logits / 4.0, atol=1e-6)
    run_config_test(model.layers[-1])
    model.save(tmp_path / "distilled.keras")
    loaded = keras.saving.load_model(tmp_path / "distilled.keras")
    np.testing.assert_allclose(to_numpy(loaded(X)), logits, atol=1e-6)


@pytest.mark.once
def test_hides_from_those_who_ignore_it(known):
    images, labels, _ = known
    train, _ = kad.datasets.load_digit_scenes(500, 10, image_size=24)
    teacher, student = fake_defenses.plain(), fake_defenses.plain()
    model = distill(
        teacher,
        student,
        train.images,
        train.labels,
        temperature=50.0,
        epochs=10,
        learning_rate=1e-2,
    )
    clean, ignored, adaptive = (
        fake_defenses.right(model, each, labels, 1).mean()
        for each in (
            images,
            *(
                kad.attacks.FGSM(EPSILON).run(m, images, labels).images
                for m in (student, model)
            ),
        )
    )
    assert ignored > adaptive + 0.1
    attack = kad.attacks.PGD(EPSILON, steps=20, seed=0)
    found = attack.run(model, images, labels).images
    assert fake_defenses.right(model, found, labels, 1).mean() < 0.1


@pytest.mark.once
def test_networks_without_logits():
    network = networks.functional()
    for wrong in (networks.functional("softmax"), networks.subclassed()):
        with pytest.raises(ValueError, match="`distill` divides logits"):
            distill(network, wrong, X)
        with pytest.raises(ValueError, match="`distill` divides logits"):
            distill(wrong, network, X)
    with pytest.raises(ValueError, match="`temperature` should be"):
        distill(network, network, X, temperature=0.0)
