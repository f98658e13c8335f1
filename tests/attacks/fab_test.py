"""Tests of FAB."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import FAB
from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import perturbation_size
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(5)
NORMS = ("linf", "l2", "l1")


def predicted(model, x=X):
    return to_numpy(Classifier(model).logits(x)).argmax(-1).astype("int32")


@pytest.fixture(scope="module")
def linear():
    return networks.linear(scale=0.2)


def l1_distances(model, y):
    """Values of large weight change first, each up to its bound."""
    kernel = model.layers[-1].kernel.numpy().astype("float64")
    logits = to_numpy(model(X))
    distances = np.full(logits.shape, np.inf)
    for i, own in enumerate(y):
        for rival in set(range(4)) - {own}:
            slope = kernel[:, rival] - kernel[:, own]
            room = np.where(slope > 0, 1 - X[i].ravel(), X[i].ravel())
            order = np.argsort(-abs(slope))
            slope, room = abs(slope)[order], room[order]
            gap = logits[i, own] - logits[i, rival]
            gained = np.r_[0, np.cumsum(slope * room)]
            full = np.searchsorted(gained, gap) - 1
            rest = (gap - gained[full]) / slope[full]
            distances[i, rival] = room[:full].sum() + rest
    return distances


@pytest.mark.everywhere
@pytest.mark.parametrize("num_targets", [None, 3])
@pytest.mark.parametrize("norm", NORMS)
def test_linear_classifier(linear, norm, num_targets):
    y = predicted(linear)
    if norm == "l1":
        distances = l1_distances(linear, y)
    else:
        dual = {"linf": 1, "l2": 2}[norm]
        distances = networks.boundary_distances(linear, X, y, dual)

    attack = FAB(steps=8, norm=norm, num_targets=num_targets)
    result = attack.run(linear, X, y)
    sizes = perturbation_size(result.images, X, norm)
    # The first step is exact but for `eta`; it comes closer afterwards.
    assert (sizes > distances.min(-1)).all()
    assert (sizes < 1.03 * distances.min(-1)).all()
    assert (predicted(linear, result.images) == distances.argmin(-1)).all()
    if num_targets is None:
        np.testing.assert_array_equal(result.forward_passes, 1 + 8 * 2)
        np.testing.assert_array_equal(result.backward_passes, 8 * 3)
    else:  # It goes on after a success: another class may be nearer.
        np.testing.assert_array_equal(result.forward_passes, 3 * (1 + 8 * 2))
        np.testing.assert_array_equal(result.backward_passes, 3 * 8)


def test_done_inside_the_radius(linear):
    y = predicted(linear)
    nearest = networks.boundary_distances(linear, X, y, 2).min(-1)
    epsilon = 0.6  # Beyond the boundary of two images, by more than `eta`.
    fall = nearest < epsilon
    assert fall.sum() == 2 and (abs(nearest / epsilon - 1) > 0.1).all()

    attack = FAB(epsilon, steps=8, num_targets=None, norm="l2")
    result = attack.run(linear, X, y)
    sizes = perturbation_size(result.images, X, "l2")
    assert (sizes <= epsilon).all()
    np.testing.assert_array_equal(predicted(linear, result.images) != y, fall)
    expected = np.where(fall, 1 + 2, 1 + 2 * 8)
    np.testing.assert_array_equal(result.forward_passes, expected)
    # What is too long is shortened.
    np.testing.assert_allclose(sizes[~fall], epsilon, rtol=1e-4)


def test_nothing_found_leaves_the_image(linear):
    stubborn = networks.linear(scale=0.01)
    bias = stubborn.layers[-1].bias
    bias.assign([9.0, 0.0, 0.0, 0.0])

    result = FAB(steps=2, num_targets=None).run(stubborn, X)
    np.testing.assert_array_equal(result.images, X)


def test_wrong_from_the_start(linear):
    y = (predicted(linear) + 1) % 4

    result = FAB(0.1, steps=2).run(linear, X, y)
    np.testing.assert_array_equal(result.images, X)
    np.testing.assert_array_equal(result.backward_passes, 0)


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_targeted(norm):
    model = networks.functional()
    y = to_numpy(Classifier(model).logits(X)).argsort(-1)[:, -2]

    attack = FAB(steps=10, norm=norm, targeted=True)
    result = attack.run(model, X, y)
    assert (predicted(model, result.images) == y).all()
    np.testing.assert_array_equal(result.backward_passes, 10)


@pytest.mark.parametrize("epsilon", [None, 0.2])
def test_restarts_begin_elsewhere(linear, epsilon):
    y = predicted(linear)
    attack = FAB(epsilon, num_targets=2, restarts=2, seed=0)
    images, labels = map(ops.convert_to_tensor, (X, y))
    radius = attack.radius((0.0, 1.0))
    run = ops.convert_to_tensor(np.array([0, 1, 2, 3, 3], "int32"))

    state = attack.begin(
        Task(Classifier(linear), images, labels, radius, (0.0, 1.0), run=run)
    )
    sizes = perturbation_size(to_numpy(state["x"]), X, "linf")
    half = (epsilon or 8 / 255) / 2
    np.testing.assert_allclose(sizes, [0, 0, half, half, half], rtol=1e-5)
    # The classes again from the strongest.
    order = to_numpy(linear(X)).argsort(-1)[:, ::-1]
    expected = order[np.arange(5), [1, 2, 1, 2, 2]]
    np.testing.assert_array_equal(to_numpy(state["rivals"])[:, 0], expected)
    assert attack.runs(Classifier(linear)) == 4


@pytest.mark.backend("torch")
@pytest.mark.parametrize("num_targets", [None, 1])
@pytest.mark.parametrize("norm", NORMS)
def test_reference(norm, num_targets):
    """The very images of the reference code: there is no chance in it."""
    fab = pytest.importorskip("pyautoattack.fab_pt")
    model = networks.functional()
    y = predicted(model)
    oracle = fab.FABAttack_PT(
        channels_first_module(model),
        norm=norm.capitalize(),
        n_iter=12,
        eps=1e3,
        targeted=num_targets is not None,
        n_target_classes=num_targets,
        device="cpu",
    )
    expected = to_numpy(oracle.perturb(*as_torch(X, y))).transpose(0, 2, 3, 1)

    attack = FAB(steps=12, norm=norm, num_targets=num_targets)
    actual = attack.run(model, X, y).images
    assert abs(expected - X).max() > 0.01
    np.testing.assert_allclose(actual, expected, atol=2e-4)


@pytest.mark.parametrize("name", ["alpha_max", "eta", "beta"])
def test_negative_numbers(name):
    with pytest.raises(ValueError, match=f"`{name}` should be"):
        FAB(**{name: -1.0})


def test_no_targets():
    with pytest.raises(ValueError, match="`num_targets` should be a whole"):
        FAB(num_targets=0)
