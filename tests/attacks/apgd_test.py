"""Tests of APGD: its schedule, closed forms, and the published code."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks.apgd import _periods
from keras_attn_defense.attacks.objectives import dlr
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import assert_inside
from tests.testing import cross_entropy
from tests.testing import perturbation_size
from tests.testing import to_numpy
from tests.torch_oracles import as_torch

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels(6)


def from_the_image(attack):
    """The attack without its random start."""
    attack.ball.sample_border = lambda shape, epsilon, seed: ops.zeros(shape)
    return attack


def losses(model, images, labels=Y):
    return cross_entropy(to_numpy(Classifier(model).logits(images)), labels)


@pytest.fixture(scope="module")
def model():
    return networks.sequential()


def test_checkpoints_are_those_published():
    # p_0 = 0, p_1 = 0.22, p_j+1 = p_j + max(p_j - p_j-1 - 0.03, 0.06).
    expected = [22, 41, 57, 70, 80, 87, 93, 99]

    lengths = _periods(100)

    np.testing.assert_array_equal(np.flatnonzero(lengths) + 1, expected)
    np.testing.assert_array_equal(lengths[lengths > 0], np.diff([0, *expected]))
    assert _periods(5).tolist() == [1, 1, 1, 1, 1, 0]


def test_steps_are_halved_where_they_do_not_rise_or_gain_nothing():
    # At the first checkpoint, after 22 steps, of which 16.5 should rise.
    rises = np.array([16, 17, 22, 22, 22], "float32")
    best_value = np.array([2, 2, 1, 1, 2], "float32")
    halved = np.array([0, 0, 0, 1, 0], "float32")
    here, best = np.zeros((5, 1, 1, 1)), np.full((5, 1, 1, 1), 9.0)
    state = {
        "x": here,
        "best": best,
        "gradient": here,
        "best_gradient": best,
        "step_size": np.ones(5),
        "rises": rises,
        "checked_value": np.ones(5),
        "best_value": best_value,
        "halved": halved,
    }
    state = {k: ops.convert_to_tensor(v, "float32") for k, v in state.items()}

    for count, expected in ((20, [0, 0, 0, 0, 0]), (21, [1, 0, 1, 0, 0])):
        counts = ops.full((5,), count, dtype="int32")
        after = APGD(0.1, 100)._at_checkpoint(state, counts)
        after = {k: to_numpy(v).ravel() for k, v in after.items()}

        expected = np.array(expected)
        np.testing.assert_array_equal(after["step_size"], 1 - expected / 2)
        np.testing.assert_array_equal(after["x"], 9 * expected)
        np.testing.assert_array_equal(after["gradient"], 9 * expected)
        if count == 21:
            np.testing.assert_array_equal(after["halved"], expected)
            np.testing.assert_array_equal(after["rises"], 0)
            np.testing.assert_array_equal(after["checked_value"], best_value)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_first_steps_reach_the_corner_of_a_linear_model(norm):
    # Never successful, so that it does not stop: the fifth class is far ahead.
    labels = np.full(len(X), 4)
    bias = ops.convert_to_tensor([0.0, 0.0, 0.0, 0.0, 200.0])
    kernel = np.random.default_rng(4).normal(size=(192, 4))
    kernel = np.pad(kernel.astype("float32"), [(0, 0), (0, 1)])

    def margin(logits, y):
        return ops.take(logits, 1, axis=-1) - ops.take(logits, 2, axis=-1)

    def function(images):
        return ops.matmul(ops.reshape(images, (-1, 192)), kernel) + bias

    attack = APGD(0.05, 4, norm=norm, objective=margin, seed=0)
    slope = (kernel[:, 1] - kernel[:, 2]).reshape(X.shape[1:])
    if norm == "linf":
        direction = np.sign(slope)
    else:
        direction = slope / np.sqrt((slope**2).sum())

    x_adv = to_numpy(attack(function, X, labels))

    rise = ((x_adv - X) * slope).sum((1, 2, 3))
    highest = ((np.clip(X + 0.05 * direction, 0, 1) - X) * slope).sum((1, 2, 3))
    np.testing.assert_allclose(rise, highest, rtol=3e-3)


def test_the_first_step_is_a_whole_one(model):
    # Twice the radius, so that it ends in a corner, as there is no movement
    # before it that would take part.
    predicted = to_numpy(model(X)).argmax(-1)
    attack = from_the_image(APGD(1e-3, 1))

    x_adv = to_numpy(attack(model, X, predicted))

    expected = to_numpy(FGSM(1e-3)(model, X, predicted))
    np.testing.assert_allclose(x_adv, expected, atol=1e-6)
    assert (abs(x_adv - X) > 0.9e-3).mean() > 0.9


@pytest.mark.everywhere
@pytest.mark.parametrize("objective", ["cross_entropy", "dlr"])
def test_better_than_its_start_and_inside(model, objective):
    attack = APGD(0.02, 12, objective=objective, seed=0)

    result = attack.run(model, X, to_numpy(model(X)).argmax(-1))

    assert_inside(result.images, X, 0.02, "linf", (0.0, 1.0))
    predicted = to_numpy(model(X)).argmax(-1)
    before = losses(model, X, predicted)
    after = losses(model, result.images, predicted)
    assert (after > before).all()


def test_wrong_images_cost_one_pass(model):
    wrong = (to_numpy(model(X)).argmax(-1) + 1) % 4

    result = from_the_image(APGD(0.02, 30, seed=0)).run(model, X, wrong)

    assert result.forward_passes.tolist() == [1] * len(X)
    assert result.backward_passes.tolist() == [1] * len(X)
    np.testing.assert_array_equal(result.images, X)


def test_restarts_and_targets_are_runs(model):
    predicted = to_numpy(model(X)).argmax(-1)
    # Too small a ball to succeed: all runs are made.
    for arguments, runs in (
        ({"restarts": 2}, 2),
        ({"objective": "targeted_dlr"}, 3),  # Four classes, three wrong ones.
        ({"objective": "targeted_dlr", "restarts": 2}, 6),
    ):
        attack = APGD(1e-6, 3, seed=0, **arguments)
        result = attack.run(model, X, predicted)
        assert result.forward_passes.tolist() == [runs * 4] * len(X)


def test_targeted_reaches_the_class(model):
    target = (to_numpy(model(X)).argmax(-1) + 1) % 4

    x_adv = to_numpy(APGD(0.3, 20, targeted=True, seed=0)(model, X, target))

    reached = to_numpy(model(x_adv)).argmax(-1) == target
    assert reached.mean() > 0.8


def published(model, images, labels, epsilon, norm, name):
    """What the published code finds, from the images as they are."""
    base = pytest.importorskip("pyautoattack.autopgd_base")
    x, y = as_torch(images, labels)
    attack = base.APGDAttack(
        lambda x: model(x.permute(0, 2, 3, 1)),
        n_iter=20,
        norm={"linf": "Linf", "l2": "L2"}[norm],
        eps=epsilon,
        loss=name,
        device="cpu",
    )
    attack.init_hyperparam(x)
    found = attack.attack_single_run(x, y, x_init=x)[0]
    return found.detach().numpy().transpose(0, 2, 3, 1)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("norm, epsilon", [("linf", 0.01), ("l2", 0.1)])
@pytest.mark.parametrize("name", ["ce", "dlr"])
def test_the_published_code_finds_the_same(norm, epsilon, name):
    model = networks.sequential()
    predicted = to_numpy(model(X)).argmax(-1)
    expected = published(model, X, predicted, epsilon, norm, name)

    objective = {"ce": "cross_entropy", "dlr": "dlr"}[name]
    attack = APGD(epsilon, 20, norm=norm, objective=objective)
    actual = to_numpy(from_the_image(attack)(model, X, predicted))

    sizes = perturbation_size(expected, X, norm)
    held = to_numpy(model(expected)).argmax(-1) == predicted
    assert held.any() and (sizes > 0.9 * epsilon).all()
    np.testing.assert_allclose(
        losses(model, actual, predicted)[held],
        losses(model, expected, predicted)[held],
        rtol=1e-3,
    )


def waves(scale):
    """A network of many hills, whose last class is out of reach."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(24, activation=ops.sin),
            keras.layers.Dense(4),
        ]
    )
    generator = np.random.default_rng(0)
    first = scale * generator.normal(size=(192, 24))
    second = 0.2 * generator.normal(size=(24, 4))
    model.set_weights([first, np.zeros(24), second, np.array([0, 0, 0, 8.0])])
    return model


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "norm, epsilon, scale", [("linf", 0.03, 1.0), ("l2", 0.35, 0.5)]
)
def test_the_published_code_goes_the_same_way(norm, epsilon, scale):
    # Where each step decides on the next, the end tells every one of them.
    model, labels = waves(scale), np.full(12, 3)
    images = np.random.default_rng(3).uniform(0.2, 0.8, (12, 8, 8, 3))
    images = images.astype("float32")
    expected = published(model, images, labels, epsilon, norm, "dlr")

    attack = from_the_image(APGD(epsilon, 20, norm=norm, objective="dlr"))
    actual = to_numpy(attack(model, images, labels))

    heights = [to_numpy(dlr(model(x), labels)) for x in (actual, expected)]
    # Rounding may lead a few to another hill.
    assert np.isclose(*heights, rtol=1e-3).sum() >= 9
