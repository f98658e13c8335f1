"""Tests of EAD against a closed form and Foolbox."""

import numpy as np
import pytest

from keras_attn_defense.attacks import EAD
from keras_attn_defense.attacks import objectives
from tests import networks
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

# A power of two, so that JAX compiles for few sizes.
X, _ = networks.images_and_labels(2)
QUICK = {"steps": 20, "binary_search_steps": 4, "initial_const": 0.1}


def predicted(model, x=X):
    return to_numpy(model(x)).argmax(-1).astype("int32")


@pytest.mark.everywhere
def test_change_is_sparse_and_steep():
    model = networks.linear(classes=2)
    y = predicted(model)
    kernel = model.layers[-1].kernel.numpy()
    steepness = abs(kernel[:, 1] - kernel[:, 0])
    gap = abs(to_numpy(model(X)) @ [1.0, -1.0])

    attack = EAD(beta=0.005, learning_rate=0.05, **QUICK)
    result = attack.run(model, X, y)

    assert (predicted(model, result.images) != y).all()
    sizes = perturbation_size(result.images, X, "l1")
    # No value of an image gains more than the steepest does.
    assert (sizes > gap / steepness.max()).all()
    assert (sizes < 1.3 * gap / steepness.max()).all()
    changed = (result.images - X).reshape(len(X), -1) != 0
    assert (changed.mean(-1) < 0.5).all()
    for row in changed:
        assert steepness[row].min() > np.median(steepness[~row])
    np.testing.assert_array_equal(result.forward_passes, 1 + 2 * 80)
    np.testing.assert_array_equal(result.backward_passes, 80)


def test_targeted_with_confidence():
    model = networks.linear(scale=3.0)
    targets = (predicted(model) + 1) % 4
    attack = EAD(confidence=0.5, targeted=True, learning_rate=0.05, **QUICK)

    result = attack.run(model, X, targets)

    ahead = -to_numpy(objectives.margin(model(result.images), targets))
    assert (ahead >= 0.5 - 1e-5).all() and (ahead < 1.5).all()


def test_scale_of_values():
    inputs = networks.linear()
    y = predicted(inputs)
    small = EAD(**QUICK).run(inputs, X, y).images

    def model(images):
        return inputs(images / 255.0)

    attack = EAD(value_range=(0, 255), **QUICK)
    large = attack.run(model, 255.0 * X, y).images
    np.testing.assert_allclose(large / 255.0, small, atol=1e-5)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("targeted", [False, True])
def test_foolbox(targeted):
    foolbox = pytest.importorskip("foolbox")
    model = networks.functional(scale=2.0)
    y = predicted(model)
    labels = to_numpy(model(X)).argsort(-1)[:, -2] if targeted else y
    images, tensors = as_torch(X, labels.astype("int32"))
    criterion = foolbox.criteria.TargetedMisclassification(tensors)
    if not targeted:
        criterion = foolbox.criteria.Misclassification(tensors)
    oracle = foolbox.attacks.EADAttack(
        initial_stepsize=0.02,
        regularization=0.005,
        decision_rule="L1",
        abort_early=False,
        **QUICK,
    )
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    expected, _, success = oracle(victim, images, criterion, epsilons=None)
    expected = to_numpy(expected).transpose(0, 2, 3, 1)
    assert to_numpy(success).all()

    attack = EAD(beta=0.005, learning_rate=0.02, targeted=targeted, **QUICK)
    x_adv = attack.run(model, X, labels).images
    assert abs(expected - X).max() > 0.01
    np.testing.assert_allclose(x_adv, expected, atol=1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"norm": "l2"}, "EAD minimizes the norm 'l1'"),
        ({"beta": -0.1}, "`beta` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EAD(**arguments)


def test_config():
    run_config_test(EAD(0.1, 7, beta=0.1, confidence=0.2, initial_const=1.0))
