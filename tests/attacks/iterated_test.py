"""Tests of BIM, PGD, momentum BIM and the least-likely family, in NumPy."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import IterLL
from keras_attn_defense.attacks import MomentumBIM
from keras_attn_defense.attacks import RandomizedStepLL
from keras_attn_defense.attacks import StepLL
from keras_attn_defense.attacks.engine.task import Task
from keras_attn_defense.classifier import Classifier
from tests.attacks.tanh_network import X
from tests.attacks.tanh_network import Y
from tests.attacks.tanh_network import logits
from tests.attacks.tanh_network import loss_gradient
from tests.attacks.tanh_network import tanh_network
from tests.testing import assert_inside
from tests.testing import cross_entropy
from tests.testing import to_numpy

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def model():
    return tanh_network()


def length(x):
    return np.sqrt((x**2).sum((1, 2, 3), keepdims=True))


def project(x, epsilon, norm):
    change = x - X
    if norm == "linf":
        change = np.clip(change, -epsilon, epsilon)
    else:
        change = change * np.minimum(1, epsilon / length(change))
    return np.clip(X + change, 0, 1)


@pytest.mark.everywhere
@pytest.mark.parametrize("norm, epsilon", [("linf", 0.1), ("l2", 0.6)])
def test_bim_and_pgd(model, norm, epsilon):
    x = X.astype("float64")
    for _ in range(4):
        gradient = loss_gradient(x)
        if norm == "linf":
            direction = np.sign(gradient)
        else:
            direction = gradient / length(gradient)
        x = project(x + epsilon / 3 * direction, epsilon, norm)
    arguments = {"step_size": epsilon / 3, "steps": 4, "norm": norm}

    for attack in (
        BIM(epsilon, **arguments),
        PGD(epsilon, random_start=False, **arguments),
    ):
        np.testing.assert_allclose(
            to_numpy(attack(model, X, Y)), x, rtol=0, atol=2e-5
        )


def test_default_step_size(model):
    for cls in (BIM, MomentumBIM, IterLL, PGD):
        start = {"random_start": False} if cls is PGD else {}
        default = to_numpy(cls(0.1, steps=5, **start)(model, X, Y))
        given = cls(0.1, step_size=2.5 * 0.1 / 5, steps=5, **start)
        np.testing.assert_allclose(
            to_numpy(given(model, X, Y)), default, atol=1e-6
        )


def test_a_given_step_size_follows_the_radius(model):
    attack = BIM(0.1, step_size=0.02, steps=2)

    x_adv = to_numpy(attack.with_epsilon(0.05)(model, X, Y))

    expected = to_numpy(BIM(0.05, step_size=0.01, steps=2)(model, X, Y))
    np.testing.assert_allclose(x_adv, expected, atol=1e-6)


@pytest.mark.parametrize("norm, epsilon", [("linf", 0.1), ("l2", 0.6)])
def test_momentum_bim(model, norm, epsilon):
    x, memory = X.astype("float64"), 0.0
    for _ in range(4):
        gradient = loss_gradient(x)
        size = abs(gradient).mean((1, 2, 3), keepdims=True)
        memory = 0.8 * memory + gradient / size
        if norm == "linf":
            direction = np.sign(memory)
        else:
            direction = memory / length(memory)
        x = project(x + epsilon / 3 * direction, epsilon, norm)
    attack = MomentumBIM(epsilon, epsilon / 3, 4, decay=0.8, norm=norm)

    np.testing.assert_allclose(
        to_numpy(attack(model, X, Y)), x, rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("label_smoothing", [None, 0.0])
def test_step_ll_and_iter_ll(model, label_smoothing):
    arguments = {}
    if label_smoothing is not None:
        arguments = {"label_smoothing": label_smoothing}
    smoothing = 0.1 if label_smoothing is None else label_smoothing
    target = logits(X).argmin(-1)
    step = np.sign(loss_gradient(X, target, smoothing))
    expected = np.clip(X - 0.1 * step, 0, 1)
    x = X.astype("float64")
    for _ in range(3):
        direction = np.sign(loss_gradient(x, target, smoothing))
        x = project(x - 0.04 * direction, 0.1, "linf")

    actual = StepLL(0.1, **arguments)(model, X, Y)
    np.testing.assert_allclose(to_numpy(actual), expected, atol=1e-6)
    # Labels do not matter.
    actual = StepLL(0.1, **arguments)(model, X)
    np.testing.assert_allclose(to_numpy(actual), expected, atol=1e-6)
    actual = IterLL(0.1, 0.04, 3, **arguments)(model, X, Y)
    np.testing.assert_allclose(to_numpy(actual), x, rtol=0, atol=1e-6)


def test_label_smoothing_matters_to_step_ll(model):
    target = logits(X).argmin(-1)
    signs = [np.sign(loss_gradient(X, target, s)) for s in (0.0, 0.1)]

    assert (signs[0] != signs[1]).any()  # Else the test above shows nothing.


@pytest.mark.parametrize("norm, epsilon", [("linf", 0.05), ("l2", 0.3)])
def test_randomized_step_ll(model, norm, epsilon):
    # The images leave room, so nothing is clipped at the value range.
    target = logits(X).argmin(-1)
    attack = RandomizedStepLL(epsilon, norm=norm, seed=2)
    twin = RandomizedStepLL(epsilon, norm=norm, seed=2)

    x_start = to_numpy(twin.start(ops.convert_to_tensor(X), epsilon))
    move = x_start - X
    half = epsilon / 2
    if norm == "linf":
        np.testing.assert_allclose(abs(move), half, atol=1e-6)
        assert 0.3 < (move > 0).mean() < 0.7
    else:
        np.testing.assert_allclose(length(move), half, rtol=1e-4)
    gradient = loss_gradient(x_start, target, 0.1)
    direction = (
        np.sign(gradient) if norm == "linf" else gradient / length(gradient)
    )
    expected = np.clip(np.clip(x_start, 0, 1) - half * direction, 0, 1)
    np.testing.assert_allclose(
        to_numpy(attack(model, X, Y)), expected, rtol=0, atol=2e-5
    )


def test_pgd_starts_anywhere_in_the_ball(model):
    attack = PGD(0.1, seed=2)

    images = ops.convert_to_tensor(X)

    start = to_numpy(attack.start(images, 0.1)) - X
    assert abs(start).max() <= 0.1 + 1e-6
    assert abs(abs(start).mean() - 0.05) < 0.01  # Uniform, not at the border.
    other = to_numpy(attack.start(images, 0.1)) - X
    assert abs(other - start).max() > 0.05


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_first_gradient_is_that_of_images_inside_the_ball(model, norm):
    x = np.round(X)  # At the bounds: half of the noise leaves them.
    attack, value_range = PGD(0.1, norm=norm, seed=0), (0.0, 1.0)
    batch = [ops.convert_to_tensor(values) for values in (x, Y)]
    task = Task(Classifier(model), *batch, 0.1, value_range)

    _, (start, _) = attack._begin(task)
    start = to_numpy(start)

    assert_inside(start, x, 0.1, norm, value_range)
    assert 0.3 < (start != x).mean() < 0.7


def test_restarts_do_no_less_harm_than_one_run(model):
    single = PGD(0.08, steps=1, step_size=0.01, seed=6)
    several = PGD(0.08, steps=1, step_size=0.01, restarts=4, seed=6)
    results = [to_numpy(attack(model, X, Y)) for attack in (single, several)]
    losses = [cross_entropy(logits(x), Y) for x in results]
    wrong = [logits(x).argmax(-1) != Y for x in results]

    # The first of the four runs draws the noise of the single one.
    assert (wrong[1] >= wrong[0]).all()
    same = wrong[1] == wrong[0]
    assert (losses[1] >= losses[0] - 1e-6)[same].all()
    changed = abs(results[1] - results[0]).max((1, 2, 3)) > 0
    assert 0 < changed.sum()
    assert (losses[1] > losses[0])[changed & same].all()


def test_restarts_of_targeted_attacks(model):
    target = (Y + 1) % 3
    arguments = {"steps": 1, "step_size": 0.01, "targeted": True, "seed": 6}
    results = [
        to_numpy(PGD(0.08, restarts=restarts, **arguments)(model, X, target))
        for restarts in (1, 4)
    ]
    losses = [cross_entropy(logits(x), target) for x in results]
    hit = [logits(x).argmax(-1) == target for x in results]

    assert (hit[1] >= hit[0]).all()
    same = hit[1] == hit[0]
    assert (losses[1] <= losses[0] + 1e-6)[same].all()
    assert (losses[1] < losses[0] - 1e-4).any()


@pytest.mark.parametrize("norm, epsilon", [("linf", 0.5), ("l2", 4.0)])
def test_targeted_reaches_the_class(model, norm, epsilon):
    target = logits(X).argsort(-1)[:, -2]
    attack = PGD(epsilon, steps=8, norm=norm, targeted=True, seed=0)

    x_adv = to_numpy(attack(model, X, target))
    assert (logits(x_adv).argmax(-1) == target).all()


def test_untargeted_leaves_the_class(model):
    predicted = logits(X).argmax(-1)

    x_adv = to_numpy(PGD(0.4, steps=5, seed=0)(model, X))
    assert (logits(x_adv).argmax(-1) != predicted).all()


def test_negative_decay():
    with pytest.raises(ValueError, match="`decay` should be"):
        MomentumBIM(decay=-1.0)


def test_a_start_near_the_image(model):
    # A step of no length shows where the first step begins.
    tiny = {"step_size": 1e-9, "steps": 1}
    attack = PGD(0.1, random_start=0.001, seed=1, **tiny)
    images = np.full((64, 4, 4, 2), 0.5, "float32")
    noise = to_numpy(attack(model, images, np.zeros(64, int))) - 0.5
    assert noise.mean() == pytest.approx(0.0, abs=1e-4)
    assert noise.std() == pytest.approx(0.001, rel=0.05)
    assert attack.get_config()["random_start"] == 0.001
    with pytest.raises(ValueError, match="`random_start` should be a number"):
        PGD(random_start="normal")
    # What starts in its own way starts near the image, if told to.
    attack = RandomizedStepLL(0.1, random_start=0.001, seed=1)
    near = to_numpy(attack(model, images, np.zeros(64, int))) - 0.5
    assert abs(np.abs(near) - 0.05).max() < 0.006
