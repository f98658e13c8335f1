"""Tests of FMN against closed forms and Foolbox."""

import numpy as np
import pytest

from keras_attn_defense.attacks import FMN
from keras_attn_defense.attacks import fmn
from tests import networks
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

# A power of two, so that JAX compiles for few sizes.
X, _ = networks.images_and_labels(4)
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}


def predicted(model, x=X):
    return to_numpy(model(x)).argmax(-1).astype("int32")


def nearest_classes(model, y, norm):
    distances = networks.boundary_distances(model, X, y, DUAL[norm])
    return distances.min(-1), distances.argmin(-1)


@pytest.mark.everywhere
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_linear_classifier(norm):
    model = networks.linear(scale=0.2)
    y = predicted(model)
    nearest, classes = nearest_classes(model, y, norm)
    if norm == "l2":  # The nearest class need not be the strongest other one.
        assert (classes != to_numpy(model(X)).argsort(-1)[:, -2]).any()

    result = FMN(norm=norm, steps=15).run(model, X, y)

    np.testing.assert_array_equal(predicted(model, result.images), classes)
    sizes = perturbation_size(result.images, X, norm)
    assert (sizes > nearest * (1 - 1e-5)).all()
    np.testing.assert_allclose(sizes, nearest, rtol=0.01)
    np.testing.assert_array_equal(result.forward_passes, 2 + 15)
    np.testing.assert_array_equal(result.backward_passes, 3 + 15)


def test_l1_changes_the_steepest_values_up_to_the_bounds():
    model = networks.linear(classes=2)
    y = predicted(model)
    kernel = model.layers[-1].kernel.numpy().astype("float64")
    slope = (kernel[:, 1] - kernel[:, 0])[None] * np.where(y, -1, 1)[:, None]
    flat = X.reshape(len(X), -1)
    room = np.where(slope > 0, 1 - flat, flat)
    logits = to_numpy(model(X))
    nearest = []
    for gap, steep, free in zip(
        abs(logits[:, 0] - logits[:, 1]), abs(slope), room, strict=True
    ):
        order = np.argsort(-steep)
        gained = np.r_[0, np.cumsum((steep * free)[order])]
        full = np.searchsorted(gained, gap) - 1
        rest = (gap - gained[full]) / steep[order][full]
        nearest.append(free[order][:full].sum() + rest)
        assert full >= 0

    result = FMN(norm="l1", steps=200).run(model, X, y)

    sizes = perturbation_size(result.images, X, "l1")
    assert (sizes > np.array(nearest) * (1 - 1e-4)).all()
    np.testing.assert_allclose(sizes, nearest, rtol=0.01)


@pytest.mark.everywhere
def test_l0_changes_the_fewest_values():
    model = networks.linear(classes=2, scale=0.1)
    y = predicted(model)
    kernel = model.layers[-1].kernel.numpy().astype("float64")
    slope = (kernel[:, 1] - kernel[:, 0])[None] * np.where(y, -1, 1)[:, None]
    flat = X.reshape(len(X), -1)
    # What each value gains that goes to its bound; those that gain most first.
    gains = np.sort(abs(slope) * np.where(slope > 0, 1 - flat, flat))
    gained = np.cumsum(gains[:, ::-1], axis=-1)
    logits = to_numpy(model(X))
    gap = abs(logits[:, 0] - logits[:, 1])
    fewest = 1 + (gained < gap[:, None]).sum(-1)
    assert len(set(fewest)) == 3

    result = FMN(norm="l0", steps=20).run(model, X, y)

    assert (predicted(model, result.images) != y).all()
    np.testing.assert_array_equal(
        perturbation_size(result.images, X, "l0"), fewest
    )

    # Within a radius only those that need no more succeed.
    result = FMN(4, norm="l0", steps=10).run(model, X, y)
    sizes = perturbation_size(result.images, X, "l0")
    assert (sizes <= 4).all()
    np.testing.assert_array_equal(
        predicted(model, result.images) != y, fewest <= 4
    )


def test_few_candidates_cost_less():
    model = networks.linear(scale=0.2)
    y = predicted(model)
    second = to_numpy(model(X)).argsort(-1)[:, -2]

    result = FMN(candidates=2, norm="l2", steps=15).run(model, X, y)

    np.testing.assert_array_equal(predicted(model, result.images), second)
    np.testing.assert_array_equal(result.backward_passes, 1 + 15)


def test_radius():
    model = networks.linear(scale=0.2)
    y = predicted(model)
    nearest, _ = nearest_classes(model, y, "l2")
    epsilon = 0.6
    near = nearest < epsilon
    assert near.sum() == 1 and (abs(nearest / epsilon - 1) > 0.1).all()

    result = FMN(epsilon, norm="l2", steps=20).run(model, X, y)

    sizes = perturbation_size(result.images, X, "l2")
    assert (sizes <= epsilon).all()
    np.testing.assert_array_equal(predicted(model, result.images) != y, near)
    # Who is inside is done, who is not is shortened to the border.
    assert (result.forward_passes[near] < 2 + 20).all()
    np.testing.assert_array_equal(result.forward_passes[~near], 2 + 20)
    np.testing.assert_allclose(sizes[~near], epsilon, rtol=1e-4)


def test_targeted():
    model = networks.functional(scale=2.0)
    targets = to_numpy(model(X)).argmin(-1).astype("int32")

    result = FMN(norm="l2", targeted=True).run(model, X, targets)

    np.testing.assert_array_equal(predicted(model, result.images), targets)
    np.testing.assert_array_equal(result.backward_passes, 1 + 100)


def test_images_that_are_wrong_stay():
    model = networks.linear()
    y = (predicted(model) + 1) % 4

    result = FMN(steps=5).run(model, X, y)

    np.testing.assert_array_equal(result.images, X)
    np.testing.assert_array_equal(result.backward_passes, 3)


def test_nothing_found_leaves_the_image():
    model = networks.linear(scale=0.01)
    model.layers[-1].bias.assign([9.0, 0.0, 0.0, 0.0])

    result = FMN(steps=5).run(model, X)

    np.testing.assert_array_equal(result.images, X)


def test_scale_of_values():
    inputs = networks.functional(scale=2.0)
    y = predicted(inputs)
    small = FMN(norm="l2", steps=10).run(inputs, X, y).images

    def model(images):
        return inputs(images / 255.0)

    attack = FMN(norm="l2", steps=10, value_range=(0, 255))
    large = attack.run(model, 255.0 * X, y).images
    np.testing.assert_allclose(large / 255.0, small, atol=1e-4)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_foolbox(norm, targeted, monkeypatch):
    """With the steps of the paper, the very images of Foolbox.

    In l2 it does not project at all: it divides a norm by itself.
    """
    foolbox = pytest.importorskip("foolbox")
    model = networks.functional(scale=2.0)
    x = X[1:]  # The first is so near that rounding decides.
    order = to_numpy(model(x)).argsort(-1)
    labels = order[:, -2 if targeted else -1].astype("int32")
    images, tensors = as_torch(x, labels)
    criterion = foolbox.criteria.TargetedMisclassification(tensors)
    if not targeted:
        criterion = foolbox.criteria.Misclassification(tensors)
    name = {"linf": "LInfFMNAttack", "l1": "L1FMNAttack"}[norm]
    oracle = getattr(foolbox.attacks, name)(steps=11)
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    expected, _, success = oracle(victim, images, criterion, epsilons=None)
    expected = to_numpy(expected).transpose(0, 2, 3, 1)
    assert to_numpy(success).all()

    monkeypatch.setattr(fmn, "_BEYOND", 0.0)
    attack = FMN(
        steps=10,
        norm=norm,
        step_size=1.0,
        gamma=0.05,
        candidates=2,
        targeted=targeted,
    )
    x_adv = attack.run(model, x, labels).images
    sizes = [perturbation_size(each, x, norm) for each in (x_adv, expected)]
    if norm == "linf":
        np.testing.assert_allclose(x_adv, expected, atol=1e-5)
    # Where a step ends just at the boundary, rounding decides on success.
    np.testing.assert_allclose(*sizes, rtol=0.02)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_no_farther_than_foolbox(norm):
    foolbox = pytest.importorskip("foolbox")
    model = networks.functional(scale=2.0)
    y = predicted(model)
    oracle = {
        "linf": foolbox.attacks.LInfFMNAttack,
        "l2": foolbox.attacks.DDNAttack,
        "l1": foolbox.attacks.L1FMNAttack,
        "l0": foolbox.attacks.L0FMNAttack,
    }[norm](steps=30)
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    expected, _, _ = oracle(victim, *as_torch(X, y), epsilons=None)
    expected = to_numpy(expected).transpose(0, 2, 3, 1)

    x_adv = FMN(norm=norm, steps=25).run(model, X, y).images
    theirs, ours = (
        perturbation_size(each, X, norm) for each in (expected, x_adv)
    )
    assert (predicted(model, x_adv) != y).all()
    # One image lies so near a boundary that Foolbox's copy of the model may
    # take it for wrong already.
    attacked = theirs > 0
    assert attacked.sum() >= len(X) - 1
    assert (ours < 1.01 * theirs)[attacked].all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"candidates": 1}, "`candidates` should be a whole number of at l"),
        ({"gamma": 2.0}, "`gamma` should be"),
        ({"step_size": 0.0}, "`step_size` should be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FMN(**arguments)


def test_config():
    run_config_test(
        FMN(0.1, 7, step_size=0.5, gamma=0.1, candidates=3, norm="l1")
    )
    assert run_config_test(FMN(norm="l0")).norm == "l0"
