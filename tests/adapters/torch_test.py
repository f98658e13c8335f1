"""Tests of attacks for PyTorch on our models, against a bare module."""

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import PGD
from tests import networks
from tests.testing import BACKEND
from tests.testing import assert_same_state
from tests.testing import state
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")

X, Y = networks.images_and_labels(6)


def test_logits_and_gradient_in_closed_form():
    model = networks.linear()
    kernel, bias = (to_numpy(w) for w in model.weights)
    module = kad.adapters.to_torch(model, value_range=(-1.0, 3.0))
    images, _ = as_torch(X, Y)
    images.requires_grad_()

    logits = module(images)
    logits[:, 2].sum().backward()

    expected = (4 * X - 1).reshape(6, -1) @ kernel + bias
    np.testing.assert_allclose(logits.detach(), expected, rtol=1e-4, atol=1e-5)
    slope = 4 * kernel[:, 2].reshape(networks.IMAGE_SHAPE).transpose(2, 0, 1)
    np.testing.assert_allclose(images.grad, [slope] * 6, atol=1e-5)
    assert images.grad.is_contiguous()


def test_same_images_as_torchattacks_gives_on_a_bare_module():
    torchattacks = pytest.importorskip("torchattacks")
    settings = {"eps": 0.06, "alpha": 0.02, "steps": 4, "random_start": False}
    reference = networks.functional()
    if BACKEND == "torch":
        oracle = torchattacks.PGD(channels_first_module(reference), **settings)
        expected = oracle(*as_torch(X, Y)).numpy().transpose(0, 2, 3, 1)
    else:
        attack = PGD(0.06, 0.02, 4, random_start=False)
        expected = to_numpy(attack(reference, X, Y))
    model = networks.functional("softmax")
    before = state(model)

    module = kad.adapters.to_torch(model)
    actual = torchattacks.PGD(module, **settings)(*as_torch(X, Y))

    assert_same_state(before, state(model))
    if BACKEND == "torch":
        assert all(p.grad is None for p in model.parameters())
    np.testing.assert_allclose(
        actual.numpy().transpose(0, 2, 3, 1), expected, rtol=0, atol=1e-6
    )


@pytest.mark.backend("torch")
def test_autoattack_leaves_the_same_images_standing():
    pyautoattack = pytest.importorskip("pyautoattack")
    model = networks.functional(scale=2.0)
    x, _ = networks.images_and_labels(16)
    y = to_numpy(model(x)).argmax(-1)

    def suite(module):
        whole = pyautoattack.AutoAttack(
            module,
            eps=0.03,
            seed=0,
            version="custom",
            attacks=["apgd-ce", "apgd-t", "fab-t", "square"],
        )
        whole.apgd.n_restarts = whole.fab.n_restarts = 1
        whole.apgd_targeted.n_target_classes = whole.fab.n_target_classes = 3
        whole.apgd.n_iter = whole.apgd_targeted.n_iter = 5
        whole.fab.n_iter, whole.square.n_queries = 3, 20
        return whole.run_standard_evaluation

    expected = [
        each(*as_torch(x, y))[0].numpy().transpose(0, 2, 3, 1)
        for each in map(
            suite, (channels_first_module(model), kad.adapters.to_torch(model))
        )
    ]
    attack = kad.adapters.from_torch(
        lambda module, epsilon: suite(module), 0.03, name="autoattack"
    )
    crafted = attack.run(model, x, y).images

    standing = [
        to_numpy(model(each)).argmax(-1) == y for each in (*expected, crafted)
    ]
    assert 0 < standing[0].sum() < 16
    np.testing.assert_array_equal(standing[1], standing[0])
    np.testing.assert_array_equal(standing[2], standing[0])


def test_radius_and_images_are_scaled():
    seen = []

    def build(module, epsilon):
        seen.append(epsilon)

        def attack(images, labels):
            assert images.shape[1:] == (3, 8, 8)
            assert labels.dtype == torch.int64
            assert 0 <= images.min() and images.max() <= 1
            return images + epsilon, labels

        return attack

    attack = kad.adapters.from_torch(build, 8.0, value_range=(0, 255))
    x_adv = to_numpy(attack(networks.linear(), 200 * X, Y))

    assert seen == [8 / 255]
    np.testing.assert_allclose(x_adv, 200 * X + 8, rtol=1e-5)


def test_labels_of_our_own_loaders():
    module = kad.adapters.to_torch(networks.functional())
    images, labels = as_torch(X, Y)
    losses = []
    for kind in (torch.int32, torch.int64):
        images = images.detach().requires_grad_()
        logits = module(images)
        loss = torch.nn.CrossEntropyLoss()(logits, labels.to(kind))
        picked = logits.gather(1, labels.to(kind)[:, None])
        assert type(loss) is type(picked) is torch.Tensor
        (gradient,) = torch.autograd.grad(loss, images)
        losses.append((loss.detach(), picked.detach(), gradient))
    for narrow, wide in zip(*losses, strict=True):
        assert torch.equal(narrow, wide)


def test_smaller_batches():
    model = networks.functional()
    module = kad.adapters.to_torch(model)
    images, _ = as_torch(X, Y)

    expected = to_numpy(model(X))
    for rows in (slice(6), slice(5), slice(1)):
        logits = module(images[rows]).detach().numpy()
        np.testing.assert_allclose(logits, expected[rows], atol=1e-6)


def test_channels_last_is_refused():
    module = kad.adapters.to_torch(networks.linear())

    with pytest.raises(ValueError, match=r"channels first.*\(6, 8, 8, 3\)"):
        module(torch.tensor(X))
