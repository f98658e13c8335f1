"""Tests of Carlini and Wagner's attack against closed forms and Foolbox."""

import numpy as np
import pytest

from keras_attn_defense.attacks import CarliniWagner
from keras_attn_defense.attacks import objectives
from tests import networks
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

# Powers of two, so that JAX compiles for few sizes.
X, _ = networks.images_and_labels(2)
DUAL = {"l2": 2, "linf": 1}
QUICK = {"steps": 60, "binary_search_steps": 6, "initial_const": 0.01}
# How near it comes: the bound shrinks by a tenth at a time.
TOLERANCE = {"l2": 0.05, "linf": 0.2}


def predicted(model, x=X):
    return to_numpy(model(x)).argmax(-1).astype("int32")


@pytest.mark.everywhere
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_linear_classifier(norm):
    model = networks.linear()
    y = predicted(model)
    distances = networks.boundary_distances(model, X, y, DUAL[norm])
    nearest, classes = distances.min(-1), distances.argmin(-1)
    attack = CarliniWagner(norm=norm, **QUICK)

    result = attack.run(model, X, y)

    np.testing.assert_array_equal(predicted(model, result.images), classes)
    sizes = perturbation_size(result.images, X, norm)
    assert (sizes >= nearest * (1 - 1e-4)).all()
    np.testing.assert_allclose(sizes, nearest, rtol=TOLERANCE[norm])

    # With a radius, any image within it will do, and takes fewer steps.
    epsilon = float(2.0 * nearest.max())
    within = attack.with_epsilon(epsilon).run(model, X, y)
    assert (perturbation_size(within.images, X, norm) <= epsilon).all()
    assert (predicted(model, within.images) != y).all()
    assert (within.backward_passes < 0.5 * result.backward_passes).all()

    # There is nothing within half of the distance.
    epsilon = float(0.5 * nearest.min())
    images = attack.with_epsilon(epsilon).run(model, X, y).images
    assert (perturbation_size(images, X, norm) <= epsilon).all()
    np.testing.assert_array_equal(predicted(model, images), y)


def test_targeted_with_confidence():
    model = networks.linear(scale=3.0)
    targets = (predicted(model) + 1) % 4
    attack = CarliniWagner(confidence=0.5, targeted=True, **QUICK)

    result = attack.run(model, X, targets)

    ahead = -to_numpy(objectives.margin(model(result.images), targets))
    assert (ahead >= 0.5 - 1e-5).all() and (ahead < 0.6).all()


def test_values_at_the_bounds_of_a_large_range():
    small = networks.linear()
    x = np.round(X)
    y = predicted(small, x)
    distances = networks.boundary_distances(small, x, y, 2).min(-1)
    attack = CarliniWagner(
        steps=100,
        learning_rate=0.1,
        binary_search_steps=4,
        initial_const=1.0,
        value_range=(0, 255),
    )

    images = attack.run(lambda x: small(x / 255.0), 255.0 * x, y).images

    assert images.min() >= 0.0 and images.max() <= 255.0
    assert (predicted(small, images / 255.0) != y).all()
    # Half of the directions lead out of the range.
    sizes = perturbation_size(images / 255.0, x, "l2")
    assert (sizes < 1.6 * distances).all()


@pytest.mark.backend("torch")
@pytest.mark.parametrize("targeted", [False, True])
def test_foolbox(targeted):
    foolbox = pytest.importorskip("foolbox")
    x, _ = networks.images_and_labels(6)
    model = networks.functional(scale=2.0)
    y = predicted(model, x)
    labels = (y + 1) % 4 if targeted else y
    images, tensors = as_torch(x, labels)
    criterion = foolbox.criteria.TargetedMisclassification(tensors)
    if not targeted:
        criterion = foolbox.criteria.Misclassification(tensors)
    settings = {**QUICK, "steps": 100}
    oracle = foolbox.attacks.L2CarliniWagnerAttack(**settings)
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    expected, _, success = oracle(victim, images, criterion, epsilons=None)
    expected = to_numpy(expected).transpose(0, 2, 3, 1)
    assert to_numpy(success).all()

    attack = CarliniWagner(targeted=targeted, **settings)
    x_adv = to_numpy(attack(model, x, labels))
    sizes = [perturbation_size(each, x, "l2") for each in (x_adv, expected)]
    np.testing.assert_allclose(*sizes, rtol=0.03, atol=1e-3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"norm": "l1"}, "norm"),
        ({"binary_search_steps": 0}, "`binary_search_steps` should be"),
        ({"confidence": -1.0}, "`confidence` should be"),
        ({"learning_rate": "fast"}, "`learning_rate` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CarliniWagner(**arguments)


def test_config():
    run_config_test(
        CarliniWagner(
            0.1,
            7,
            learning_rate=0.1,
            confidence=0.2,
            binary_search_steps=3,
            initial_const=1.0,
            norm="linf",
        )
    )
