"""The same images as torchattacks and Foolbox, on PyTorch."""

import numpy as np
import pytest

from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import MomentumBIM
from keras_attn_defense.attacks import TransferAttack
from tests import networks
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.backend("torch")

X, Y = networks.images_and_labels(6)
LINF = {"step_size": 0.02, "steps": 4}
L2 = {"step_size": 0.2, "steps": 4, "norm": "l2"}


@pytest.fixture(scope="module")
def model():
    return networks.functional()


def assert_same(attack, model, expected):
    actual = to_numpy(attack(model, X, Y))
    expected = to_numpy(expected).transpose(0, 2, 3, 1)

    assert abs(expected - X).max() > 0.05
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "attack, name, arguments",
    [
        (FGSM(0.1), "FGSM", {"eps": 0.1}),
        (BIM(0.06, **LINF), "BIM", {"eps": 0.06, "alpha": 0.02, "steps": 4}),
        (
            PGD(0.06, random_start=False, **LINF),
            "PGD",
            {"eps": 0.06, "alpha": 0.02, "steps": 4, "random_start": False},
        ),
        (
            MomentumBIM(0.06, **LINF, decay=0.9),
            "MIFGSM",
            {"eps": 0.06, "alpha": 0.02, "steps": 4, "decay": 0.9},
        ),
        (
            TransferAttack(0.06, **LINF, diversity=0, smoothing=5),
            "TIFGSM",
            {
                **{"eps": 0.06, "alpha": 0.02, "steps": 4, "decay": 1.0},
                **{"len_kernel": 5, "diversity_prob": 0.0, "resize_rate": 0.7},
            },
        ),
        (
            TransferAttack(0.06, **LINF, diversity=0, scales=3, nesterov=True),
            "SINIFGSM",
            {"eps": 0.06, "alpha": 0.02, "steps": 4, "m": 3},
        ),
        (
            PGD(0.5, random_start=False, **L2),
            "PGDL2",
            {"eps": 0.5, "alpha": 0.2, "steps": 4, "random_start": False},
        ),
    ],
    ids=["fgsm", "bim", "pgd", "mifgsm", "tifgsm", "sinifgsm", "pgd_l2"],
)
def test_torchattacks(model, attack, name, arguments):
    torchattacks = pytest.importorskip("torchattacks")
    oracle = getattr(torchattacks, name)(
        channels_first_module(model), **arguments
    )

    assert_same(attack, model, oracle(*as_torch(X, Y)))


def test_torchattacks_targeted(model):
    torchattacks = pytest.importorskip("torchattacks")
    oracle = torchattacks.PGD(
        channels_first_module(model), 0.06, 0.02, 4, random_start=False
    )
    oracle.set_mode_targeted_by_label(quiet=True)
    attack = PGD(0.06, random_start=False, targeted=True, **LINF)

    assert_same(attack, model, oracle(*as_torch(X, Y)))


@pytest.mark.parametrize(
    "attack, name, arguments, epsilon",
    [
        (FGSM(0.1), "FGSM", {"random_start": False}, 0.1),
        (
            BIM(0.06, **LINF),
            "LinfBasicIterativeAttack",
            {"abs_stepsize": 0.02, "steps": 4, "random_start": False},
            0.06,
        ),
        (
            PGD(0.5, random_start=False, **L2),
            "L2ProjectedGradientDescentAttack",
            {"abs_stepsize": 0.2, "steps": 4, "random_start": False},
            0.5,
        ),
    ],
    ids=["fgsm", "bim", "pgd_l2"],
)
def test_foolbox(model, attack, name, arguments, epsilon):
    foolbox = pytest.importorskip("foolbox")
    victim = foolbox.PyTorchModel(channels_first_module(model), bounds=(0, 1))
    oracle = getattr(foolbox.attacks, name)(**arguments)

    _, clipped, _ = oracle(victim, *as_torch(X, Y), epsilons=epsilon)
    assert_same(attack, model, clipped)
