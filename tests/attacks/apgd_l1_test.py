"""Tests of attacks in the l1 norm: Auto-PGD, PGD and Square."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks import apgd_l1
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import assert_inside
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(5)


def margins(model, x, y):
    """How far the other of two classes is ahead."""
    logits = to_numpy(Classifier(model).logits(x)).astype("float64")
    rows = np.arange(len(y))
    return logits[rows, 1 - y] - logits[rows, y]


def largest_gain(model, y, epsilon):
    """What a linear margin gains: values of large slope first, to the bound."""
    kernel = model.layers[-1].kernel.numpy().astype("float64")
    gains = []
    for x, own in zip(X, y, strict=True):
        slope = kernel[:, 1 - own] - kernel[:, own]
        room = np.where(slope > 0, 1 - x.ravel(), x.ravel())
        order = np.argsort(-abs(slope))
        spent = np.r_[0, np.cumsum(room[order])]
        part = np.diff(np.minimum(spent, epsilon))
        gains.append((part * abs(slope)[order]).sum())
    return np.array(gains)


@pytest.mark.parametrize(
    "attack, least",
    [
        (APGD(3.0, 30, objective="margin", norm="l1", seed=0), 0.95),
        (PGD(3.0, steps=8, objective="margin", norm="l1", seed=0), 0.5),
        (Square(3.0, 100, rescale_schedule=True, norm="l1", seed=0), 0.2),
    ],
    ids=["apgd", "pgd", "square"],
)
def test_comes_close_to_the_best(attack, least):
    model = networks.linear(classes=2, scale=0.2)
    # Far from the boundary, so that no search ends early.
    model.layers[-1].bias.assign([9.0, 0.0])
    y = np.zeros(5, "int32")

    x_adv = attack.run(model, X, y).images
    assert_inside(x_adv, X, 3.0, "l1", (0.0, 1.0))
    gain = margins(model, x_adv, y) - margins(model, X, y)
    share = gain / largest_gain(model, y, 3.0)
    assert (share > least).all() and (share < 1 + 1e-4).all()


@pytest.mark.everywhere
def test_only_the_last_radius_counts():
    """Points of the larger balls are adversarial, but not the result."""
    model = networks.linear(classes=2, scale=0.2)
    bias = model.layers[-1].bias
    bias.assign([0.0, 0.0])
    y = np.zeros(5, "int32")
    needed = -margins(model, X, y)
    # Now the margin is what can be gained with twice the radius.
    bias.assign([float((largest_gain(model, y, 2.0) - needed).mean()), 0.0])
    clean = margins(model, X, y)
    reached = largest_gain(model, y, 1.0) + clean > 0
    assert (largest_gain(model, y, 3.0) + clean > 0).any()

    result = APGD(1.0, 10, norm="l1", seed=0).run(model, X, y)
    assert_inside(result.images, X, 1.0, "l1", (0.0, 1.0))
    assert not ((margins(model, result.images, y) > 0) & ~reached).any()
    assert (result.forward_passes[~reached] == 1 + 10 + 2).all()


def test_published_schedule():
    factors, enters, adapts = apgd_l1.schedule(100)

    np.testing.assert_array_equal(
        factors[:102], [3.0] * 30 + [2.0] * 31 + [1.0] * 41
    )
    np.testing.assert_array_equal(np.flatnonzero(enters[:102]), [30, 61])
    # Each fourth per cent of a phase: after every step here.
    np.testing.assert_array_equal(adapts[:102], ~enters[:102])
    _, _, adapts = apgd_l1.schedule(1000)
    assert np.flatnonzero(adapts[:300]).tolist() == list(range(11, 300, 12))
    assert np.flatnonzero(adapts[602:1002]).tolist() == list(range(15, 400, 16))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7])
def test_few_steps(steps):
    factors, enters, _ = apgd_l1.schedule(steps)

    assert len(factors) == steps + 3  # The last is for those that are done.
    assert (~enters[:-1]).sum() == steps and enters[:-1].sum() == 2
    assert factors[-2] == 1.0


@pytest.mark.backend("torch")
def test_reference(monkeypatch):
    """The very images of the reference code, from the same random start."""
    import torch

    oracle = pytest.importorskip("pyautoattack.autopgd_base")
    model = networks.functional()
    y = to_numpy(Classifier(model).logits(X)).argmax(-1).astype("int32")
    attack = APGD(0.4, 20, norm="l1", seed=3)
    noise = keras.random.normal(X.shape, seed=keras.random.SeedGenerator(3))
    monkeypatch.setattr(
        torch, "randn_like", lambda x: noise.permute(0, 3, 1, 2)
    )
    reference = oracle.APGDAttack(
        channels_first_module(model),
        20,
        "L1",
        eps=0.4,
        device="cpu",
        use_largereps=True,
    )
    images, labels = as_torch(X, y)
    reference.init_hyperparam(images)

    expected = reference.decr_eps_pgd(
        images, labels, [1.2, 0.8, 0.4], [6, 6, 8]
    )
    expected = to_numpy(expected[0].detach()).transpose(0, 2, 3, 1)
    result = attack.run(model, X, y)
    # No search has ended early.
    stands = result.forward_passes == 1 + 20 + 2
    assert stands.sum() > 2
    # Rounding decides which value is the last to change in a step.
    other = abs(result.images - expected)[stands] > 1e-4
    assert other.mean() < 0.005
    assert (abs(expected - X).max((1, 2, 3)) > 0.05).all()
    assert ops.convert_to_numpy(noise).std() > 0.5
