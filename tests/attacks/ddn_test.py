"""Tests of DDN against a closed form and Foolbox."""

import numpy as np
import pytest

from keras_attn_defense.attacks import DDN
from tests import networks
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

# A power of two, so that JAX compiles for few sizes.
X, _ = networks.images_and_labels(4)


def predicted(model, x=X):
    return to_numpy(model(x)).argmax(-1).astype("int32")


@pytest.mark.everywhere
def test_linear_classifier():
    model = networks.linear(classes=2)
    y = predicted(model)
    nearest = networks.boundary_distances(model, X, y, 2).min(-1)

    result = DDN(steps=60).run(model, X, y)

    assert (predicted(model, result.images) != y).all()
    sizes = perturbation_size(result.images, X, "l2")
    # As near as the radius comes, which begins at one and changes by 5 %.
    assert (sizes >= nearest * (1 - 1e-5)).all()
    assert (sizes < 1.06 * np.maximum(nearest, 0.95**57)).all()
    assert (nearest > 0.95**57).sum() == 2
    np.testing.assert_array_equal(result.forward_passes, 60)
    np.testing.assert_array_equal(result.backward_passes, 60)


def test_radius():
    model = networks.linear()
    y = predicted(model)
    found = perturbation_size(DDN().run(model, X, y).images, X, "l2")
    epsilon = float(np.median(found))
    near = found < epsilon

    result = DDN(epsilon).run(model, X, y)

    sizes = perturbation_size(result.images, X, "l2")
    assert (sizes <= epsilon).all()
    np.testing.assert_array_equal(predicted(model, result.images) != y, near)
    assert (result.forward_passes[near] < 100).all()
    np.testing.assert_allclose(sizes[~near], epsilon, rtol=1e-4)


def test_images_that_are_wrong_stay():
    model = networks.linear()
    y = (predicted(model) + 1) % 4

    result = DDN().run(model, X, y)

    np.testing.assert_array_equal(result.images, X)
    np.testing.assert_array_equal(result.backward_passes, 1)


def test_scale_of_values():
    inputs = networks.linear()
    y = predicted(inputs)
    small = DDN(steps=20).run(inputs, X, y).images

    def model(images):
        return inputs(images / 255.0)

    attack = DDN(steps=20, value_range=(0, 255))
    large = attack.run(model, 255.0 * X, y).images
    np.testing.assert_allclose(large / 255.0, small, atol=1e-5)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("targeted", [False, True])
def test_foolbox(targeted):
    foolbox = pytest.importorskip("foolbox")
    model = networks.functional(scale=2.0)
    y = predicted(model)
    labels = (y + 1) % 4 if targeted else y
    images, tensors = as_torch(X, labels)
    criterion = foolbox.criteria.TargetedMisclassification(tensors)
    if not targeted:
        criterion = foolbox.criteria.Misclassification(tensors)
    oracle = foolbox.attacks.DDNAttack(steps=30, init_epsilon=0.8, gamma=0.07)
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    expected, _, success = oracle(victim, images, criterion, epsilons=None)
    expected = to_numpy(expected).transpose(0, 2, 3, 1)
    assert to_numpy(success).all()

    attack = DDN(steps=30, initial_radius=0.8, gamma=0.07, targeted=targeted)
    x_adv = attack.run(model, X, labels).images
    np.testing.assert_allclose(x_adv, expected, atol=1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"norm": "linf"}, "DDN minimizes the norm 'l2'"),
        ({"initial_radius": 0.0}, "`initial_radius` should be"),
        ({"gamma": -0.1}, "`gamma` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DDN(**arguments)


def test_config():
    run_config_test(DDN(0.1, 7, initial_radius=2.0, gamma=0.1))
