"""Tests of DeepFool against closed forms and other libraries."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import DeepFool
from tests import networks
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(6)
DUAL = {"l2": 2, "linf": 1}


def predicted(model, x=X):
    return to_numpy(model(x)).argmax(-1).astype("int32")


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_linear_classifier(norm):
    model = networks.linear()
    y = predicted(model)
    distances = networks.boundary_distances(model, X, y, DUAL[norm])

    result = DeepFool(norm=norm).run(model, X, y)

    nearest = distances.min(-1)
    expected = 1.02 * (nearest + 1e-4)
    sizes = perturbation_size(result.images, X, norm)
    np.testing.assert_allclose(sizes, expected, rtol=1e-4)
    np.testing.assert_array_equal(
        predicted(model, result.images), distances.argmin(-1)
    )
    np.testing.assert_array_equal(result.forward_passes, 1 + 2)
    np.testing.assert_array_equal(result.backward_passes, 3)


def test_few_candidates():
    model = networks.linear()
    logits = to_numpy(model(X))
    order = logits.argsort(-1)
    y, second = order[:, -1].astype("int32"), order[:, -2]
    distances = networks.boundary_distances(model, X, y, 2)
    # Another class is nearer than the strongest.
    assert (distances.argmin(-1) != second).any()

    result = DeepFool(candidates=2).run(model, X, y)

    np.testing.assert_array_equal(predicted(model, result.images), second)
    np.testing.assert_array_equal(result.backward_passes, 1)


def test_radius():
    model = networks.linear()
    y = predicted(model)
    nearest = networks.boundary_distances(model, X, y, 2).min(-1)
    epsilon = float(np.median(nearest))

    x_adv = to_numpy(DeepFool(epsilon)(model, X, y))

    assert (perturbation_size(x_adv, X, "l2") <= epsilon).all()
    broken = predicted(model, x_adv) != y
    np.testing.assert_array_equal(broken, 1.02 * (nearest + 1e-4) <= epsilon)


def test_images_that_are_wrong_stay():
    model = networks.linear()
    y = (predicted(model) + 1) % 4

    result = DeepFool().run(model, X, y)

    np.testing.assert_array_equal(result.images, X)
    np.testing.assert_array_equal(result.backward_passes, 0)


def test_scale_of_values():
    inputs = networks.linear()
    y = predicted(inputs)
    small = to_numpy(DeepFool()(inputs, X, y))

    def model(images):
        return inputs(images / 255.0)

    large = DeepFool(value_range=(0, 255))(model, 255.0 * X, y)
    np.testing.assert_allclose(to_numpy(large) / 255.0, small, atol=1e-6)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_foolbox(norm):
    foolbox = pytest.importorskip("foolbox")
    model = networks.functional(scale=2.0)
    y = predicted(model)
    name = {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"}[norm]
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    images, labels = as_torch(X, y)
    expected, _, success = getattr(foolbox.attacks, name)()(
        victim, images, labels, epsilons=None
    )
    assert to_numpy(success).all()

    x_adv = to_numpy(DeepFool(norm=norm)(model, X, y))
    expected = to_numpy(expected).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(x_adv, expected, rtol=0, atol=1e-5)


@pytest.mark.backend("torch")
def test_torchattacks():
    torchattacks = pytest.importorskip("torchattacks")
    model = networks.functional(scale=2.0)
    y = predicted(model)
    oracle = torchattacks.DeepFool(channels_first_module(model))

    expected = to_numpy(oracle(*as_torch(X, y))).transpose(0, 2, 3, 1)
    x_adv = to_numpy(DeepFool()(model, X, y))
    # It does not go the ten-thousandth beyond the boundary.
    sizes = [perturbation_size(each, X, "l2") for each in (x_adv, expected)]
    np.testing.assert_allclose(*sizes, rtol=0.01, atol=1.1e-4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"targeted": True}, "cannot be targeted"),
        ({"norm": "l1"}, "norm"),
        (
            {"candidates": 1},
            "`candidates` should be a whole number of at least 2",
        ),
        ({"overshoot": -1.0}, "`overshoot` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DeepFool(**arguments)


def test_config():
    run_config_test(DeepFool(0.1, 7, overshoot=0.1, candidates=3, norm="linf"))


def test_equal_classes():
    # The logits of two classes are equal: no gap, and no gradient of it.
    model = networks.linear()
    kernel, bias = model.weights
    kernel.assign(ops.concatenate([kernel.value[:, :1]] * 4, axis=1))
    bias.assign([0.0, 0.0, -1.0, -1.0])
    y = np.zeros(len(X), "int32")

    x_adv = to_numpy(DeepFool(steps=3)(model, X, y))

    assert np.isfinite(x_adv).all()
