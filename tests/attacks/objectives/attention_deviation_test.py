"""Tests of the attention's deviation as an objective: values, second order."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.attacks.objectives import AttentionDeviation
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import cross_entropy
from tests.testing import finite_differences
from tests.testing import float64_enabled
from tests.testing import no_gradients
from tests.testing import to_numpy

pytestmark = pytest.mark.once

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


def test_attention_guided_transfer_attack():
    # Wu et al., 2020, equations 1 to 4, at one layer, in NumPy: maps of each
    # image alone, and not normalized.
    model = networks.functional()
    layers = {layer.name: layer for layer in model.layers}
    features = keras.Model(model.input, layers["features"].output)
    hidden, head = layers["hidden"], layers["head"]

    def map_of(images):
        maps = to_numpy(features(images))
        kernel, bias = (to_numpy(w) for w in hidden.weights)
        slope = 1 - np.tanh(maps.reshape(3, -1) @ kernel + bias) ** 2
        back = (slope * to_numpy(head.kernel).T[Y]) @ kernel.T
        weights = back.reshape(maps.shape).mean((1, 2), keepdims=True)
        return np.maximum((weights * maps).sum(-1), 0)

    grad_cam = GradCAM("features", normalization=None, scale_gradients=False)
    objective = AttentionDeviation(1e3, "cross_entropy", attention=grad_cam)
    values, _, logits = evaluated(objective, model)

    deviation = ((map_of(MOVED) - map_of(X)) ** 2).sum((1, 2))
    expected = cross_entropy(logits, Y) + 1e3 * deviation
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert (deviation > 1e-7).all()


@pytest.mark.everywhere
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


def test_goes_through_targets():
    model = networks.functional()
    arguments = {"epsilon": 0.05, "steps": 2, "seed": 0}
    plain = PGD(**arguments, objective="targeted_dlr")
    moving = PGD(
        **arguments, objective=AttentionDeviation(50.0, "targeted_dlr")
    )

    def deviation(attack):
        moved = maps_of(model, to_numpy(attack(model, X, Y)))
        return ((moved - maps_of(model, X)) ** 2).sum((1, 2))

    assert deviation(moving).mean() > 1.1 * deviation(plain).mean()
    classifier = Classifier(model)
    assert moving.runs(classifier) == plain.runs(classifier) == 3


def test_value_of_the_authors_form():
    model = networks.functional()
    objective = AttentionDeviation(10.0, None, form="area")

    values, _, _ = evaluated(objective, model)

    method = GradCAM(normalization="max", upsample=False, model=model)
    clean, moved = (to_numpy(method(images, Y)) for images in (X, MOVED))
    area = clean > 0.2 * clean.max((1, 2), keepdims=True)
    assert (area.any((1, 2)) & ~area.all((1, 2))).all()
    expected = 10.0 * abs(area - moved).mean((1, 2))
    np.testing.assert_allclose(values, expected, rtol=1e-4)


def test_forms_at_the_clean_image():
    model = networks.functional()
    lengths = {
        form: abs(
            evaluated(AttentionDeviation(1.0, None, form), model, X)[1]
        ).max((1, 2, 3))
        for form in ("map", "area")
    }

    np.testing.assert_allclose(lengths["map"], 0.0, atol=1e-6)
    assert (lengths["area"] > 1e-4).all()


def test_no_gradient_once_the_areas_overlap_little():
    model = networks.functional()
    method = GradCAM(normalization="max", upsample=False, model=model)
    clean, moved = (to_numpy(method(images, Y)) > 0.2 for images in (X, MOVED))
    overlap = (clean & moved).sum((1, 2)) / (clean | moved).sum((1, 2))
    threshold = np.sort(overlap)[1]

    free = AttentionDeviation(3.0, form="area")
    values, gradient, _ = evaluated(free, model)
    stopped = AttentionDeviation(3.0, form="area", stop_at_iou=threshold)
    values_stopped, gradient_stopped, _ = evaluated(stopped, model)

    np.testing.assert_allclose(values_stopped, values, rtol=1e-5)
    goes_on = (overlap > threshold)[:, None, None, None]
    assert 0 < goes_on.sum() < len(X)
    expected = np.where(goes_on, gradient, 0.0)
    np.testing.assert_allclose(gradient_stopped, expected, rtol=1e-4, atol=1e-8)
    assert (abs(gradient).max((1, 2, 3)) > 1e-3).all()


def test_bad_input():
    with pytest.raises(ValueError, match="'area', 'map'.*form='mask'"):
        AttentionDeviation(form="mask")
    with pytest.raises(ValueError, match="from 0 to 1.*stop_at_iou=60"):
        AttentionDeviation(stop_at_iou=60)
    with pytest.raises(ValueError, match="all there is to maximize"):
        AttentionDeviation(0.0, None)


def test_gradient_of_one_image_does_not_depend_on_the_others():
    model = networks.functional()
    _, together, _ = evaluated(AttentionDeviation(3.0), model)
    others = MOVED[::-1].copy()
    others[0] = MOVED[0]
    clean = X[::-1].copy()
    clean[0] = X[0]

    _, again, _ = evaluated(AttentionDeviation(3.0), model, others, clean)

    np.testing.assert_allclose(again[0], together[0], rtol=1e-3, atol=1e-6)
