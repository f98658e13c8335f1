"""Every attack fulfils the contract of `run_attack_test`."""

import numpy as np
import pytest

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import DDN
from keras_attn_defense.attacks import EAD
from keras_attn_defense.attacks import FAB
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import FMN
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import CarliniWagner
from keras_attn_defense.attacks import DeepFool
from keras_attn_defense.attacks import HopSkipJump
from keras_attn_defense.attacks import IterLL
from keras_attn_defense.attacks import MomentumBIM
from keras_attn_defense.attacks import RandomizedStepLL
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks import StepLL
from keras_attn_defense.attacks import SzegedyLBFGS
from keras_attn_defense.attacks import TransferAttack
from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import run_attack_test
from tests.testing import to_numpy

X, Y = networks.images_and_labels()
TARGETED = {"targeted": True}
RANDOM = {"random": True}
# A name, the class, its arguments, and what is special about it.
ATTACKS = [
    ("fgsm", FGSM, {"epsilon": 0.1}, {}),
    ("fgsm_l2", FGSM, {"epsilon": 0.5, "norm": "l2"}, {}),
    ("fgsm_targeted", FGSM, {"epsilon": 0.05, **TARGETED}, {}),
    ("bim", BIM, {"epsilon": 0.1, "steps": 3}, {}),
    ("momentum_bim", MomentumBIM, {"epsilon": 0.1, "steps": 3}, {}),
    (
        "momentum_bim_l2",
        MomentumBIM,
        {"epsilon": 0.4, "steps": 3, "norm": "l2", "decay": 0.7},
        {},
    ),
    ("pgd", PGD, {"epsilon": 0.1, "steps": 3, "seed": 5}, RANDOM),
    ("pgd_without_start", PGD, {"steps": 3, "random_start": False}, {}),
    (
        "pgd_l2_targeted",
        PGD,
        {"epsilon": 0.4, "steps": 3, "norm": "l2", "seed": 5, **TARGETED},
        RANDOM,
    ),
    (
        "pgd_restarts",
        PGD,
        {"epsilon": 0.1, "steps": 2, "restarts": 2, "seed": 5},
        RANDOM,
    ),
    (
        "pgd_l1",
        PGD,
        {"epsilon": 2.0, "steps": 2, "norm": "l1", "seed": 5},
        RANDOM,
    ),
    ("epsilon_range", BIM, {"epsilon": (0.05, 0.1), "seed": 5}, RANDOM),
    ("step_ll", StepLL, {"epsilon": 0.075}, {}),
    (
        "randomized_step_ll",
        RandomizedStepLL,
        {"epsilon": 0.075, "seed": 5},
        RANDOM,
    ),
    (
        "transfer",
        TransferAttack,
        {"epsilon": 0.1, "steps": 2, "smallest": 0.5, "seed": 5},
        RANDOM,
    ),
    ("iter_ll", IterLL, {"epsilon": 0.1, "steps": 3}, {}),
]
LEAST_LIKELY = (StepLL, IterLL)
ONE_CONSTANT = {"steps": 15, "binary_search_steps": 1, "initial_const": 1e3}
# Attacks that look for the smallest change, with a radius that they stay in.
MINIMAL = [
    ("deep_fool", DeepFool, {"steps": 3}),
    ("deep_fool_linf", DeepFool, {"steps": 3, "norm": "linf"}),
    ("carlini_wagner", CarliniWagner, {"learning_rate": 0.1, **ONE_CONSTANT}),
    ("ddn", DDN, {"steps": 8, "initial_radius": 3.0}),
    ("ead", EAD, {**ONE_CONSTANT, "steps": 5}),
    ("fab", FAB, {"steps": 3, "num_targets": 2}),
    ("fab_l1_nearest", FAB, {"steps": 3, "norm": "l1", "num_targets": None}),
    ("fmn", FMN, {"steps": 5}),
    ("fmn_l2", FMN, {"steps": 5, "norm": "l2"}),
    ("fmn_l1", FMN, {"steps": 5, "norm": "l1"}),
    ("fmn_l0", FMN, {"steps": 5, "norm": "l0"}),
    ("szegedy_lbfgs", SzegedyLBFGS, ONE_CONSTANT),
]
BLIND = {"queries": 40, "objective": "cross_entropy"}
# Attacks that end at a success, with a radius that is too small for it.
SEARCHES = [
    ("apgd", APGD, 0.01, {"steps": 3}),
    ("apgd_l1", APGD, 1.0, {"steps": 3, "norm": "l1"}),
    ("square", Square, 0.02, BLIND),
    ("square_l2", Square, 0.2, {"norm": "l2", **BLIND}),
    ("hop_skip_jump", HopSkipJump, 0.1, {"queries": 200}),
]


@pytest.mark.parametrize(
    "cls, arguments, special",
    [row[1:] for row in ATTACKS],
    ids=[row[0] for row in ATTACKS],
)
def test_contract(cls, arguments, special):
    model = networks.stateful()
    target = None
    if issubclass(cls, LEAST_LIKELY):
        target = to_numpy(Classifier(model).logits(X)).argmin(-1)
    elif arguments.get("targeted"):
        target = Y
    epsilon = arguments.get("epsilon", 8 / 255)

    run_attack_test(
        cls(**arguments),
        model,
        X,
        Y,
        epsilon=np.max(epsilon),
        target=target,
        uses_labels=not issubclass(cls, LEAST_LIKELY),
        **special,
    )


@pytest.mark.parametrize(
    "cls, arguments",
    [row[1:] for row in MINIMAL],
    ids=[row[0] for row in MINIMAL],
)
def test_minimal_contract(cls, arguments):
    model = networks.stateful()
    # What is wrong already is left as it is.
    y = to_numpy(model(X)).argmax(-1).astype("int32")

    run_attack_test(cls(4.0, **arguments), model, X, y, epsilon=4.0)


@pytest.mark.parametrize(
    "cls, epsilon, arguments",
    [row[1:] for row in SEARCHES],
    ids=[row[0] for row in SEARCHES],
)
def test_search_contract(cls, epsilon, arguments):
    model = networks.stateful()
    y = to_numpy(model(X)).argmax(-1).astype("int32")

    attack = cls(epsilon, seed=5, **arguments)
    run_attack_test(attack, model, X, y, epsilon=epsilon, random=True)
    assert (to_numpy(model(attack(model, X, y))).argmax(-1) == y).all()


@pytest.mark.parametrize("form", sorted(set(networks.FORMS) - {"sequential"}))
def test_every_form_of_model(form):
    model = networks.FORMS[form]("softmax")

    run_attack_test(FGSM(epsilon=0.05), model, X, Y, epsilon=0.05)


@pytest.mark.parametrize("ending", ["sigmoid", "logit"])
def test_two_classes(ending):
    model = networks.sequential(ending)

    run_attack_test(FGSM(epsilon=0.05), model, X, Y % 2, epsilon=0.05)
    x_adv = FGSM(epsilon=0.05)(model, X, Y % 2)
    column = (Y % 2)[:, None].astype("float32")
    np.testing.assert_array_equal(
        to_numpy(FGSM(epsilon=0.05)(model, X, column)), to_numpy(x_adv)
    )
