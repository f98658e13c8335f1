"""Tests of AutoAttack: what it consists of, in which order, on what."""

import numpy as np
import pytest

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import FAB
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import AutoAttack
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks import get
from tests import networks
from tests.testing import assert_inside
from tests.testing import run_config_test
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(8)


@pytest.fixture(scope="module")
def model():
    return networks.functional()


@pytest.fixture(scope="module")
def labels(model):
    return to_numpy(model(X)).argmax(-1)


def settings(attack):
    return {
        "objective": type(getattr(attack, "objective", None)).__name__,
        "restarts": attack.restarts,
        "steps": attack.steps,
    }


def test_standard_is_as_published():
    parts = AutoAttack(8 / 255).components(10)

    assert list(parts) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert all(part.epsilon == 8 / 255 for part in parts.values())
    ce, targeted, fab, square = parts.values()
    assert settings(ce)["objective"] == "CrossEntropy"
    assert settings(targeted)["objective"] == "TargetedDLR"
    assert targeted.objective.num_targets == 9
    assert (ce.steps, ce.restarts, ce.rho) == (100, 1, 0.75)
    assert (targeted.steps, targeted.restarts) == (100, 1)
    assert (fab.steps, fab.num_targets, fab.restarts) == (100, 9, 1)
    assert (fab.alpha_max, fab.eta, fab.beta) == (0.1, 1.05, 0.9)
    assert (square.steps, square.p_init, square.restarts) == (5000, 0.8, 1)


def test_standard_in_l1_is_as_published():
    parts = AutoAttack(12.0, norm="l1").components(10)

    assert parts["apgd-ce"].restarts == 5
    assert parts["apgd-t"].objective.num_targets == 5
    assert all(part.norm == "l1" for part in parts.values())


def test_plus_and_rand_are_as_published():
    plus = AutoAttack(version="plus").components(10)
    assert {name: part.restarts for name, part in plus.items()} == {
        "apgd-ce": 5,
        "apgd-dlr": 5,
        "fab": 5,
        "square": 1,
        "apgd-t": 1,
        "fab-t": 1,
    }
    assert list(plus)[:3] == ["apgd-ce", "apgd-dlr", "fab"]
    assert plus["fab"].num_targets is None

    rand = AutoAttack(version="rand").components(10)
    assert list(rand) == ["apgd-ce", "apgd-dlr"]
    for part, inner in zip(rand.values(), ("CrossEntropy", "DLR"), strict=True):
        assert part.objective.samples == 20
        assert type(part.objective.objective).__name__ == inner


@pytest.mark.parametrize(
    "classes, dlr, targeted",
    [(2, "Margin", "TargetedMargin"), (3, "DLR", "TargetedMargin")],
)
def test_few_classes_are_adapted_to_and_said(classes, dlr, targeted):
    attack = AutoAttack(version="plus")

    with pytest.warns(UserWarning, match=f"model of {classes} classes"):
        parts = attack.components(classes)

    assert settings(parts["apgd-dlr"])["objective"] == dlr
    assert settings(parts["apgd-t"])["objective"] == targeted
    assert attack.components(classes).keys() == parts.keys()  # Said once.


@pytest.mark.everywhere
def test_each_attacks_what_still_stands_from_the_clean_image(model, labels):
    # One attack after another by hand.
    version = [
        FGSM(name="first"),
        PGD(steps=3, random_start=False, name="second"),
        PGD(steps=6, random_start=False, name="third"),
    ]
    epsilon = 0.06

    result = AutoAttack(epsilon, version=version, seed=0).run(model, X, labels)

    standing, expected = np.ones(len(X), bool), X.copy()
    fallen = []
    for part in version:
        x_adv = to_numpy(part.with_epsilon(epsilon)(model, X, labels))
        fell = to_numpy(model(x_adv)).argmax(-1) != labels
        expected[standing] = x_adv[standing]
        fallen.append((standing & fell).sum())
        standing &= ~fell
    np.testing.assert_allclose(result.images, expected, rtol=0, atol=1e-6)
    assert standing.any() and sum(count > 0 for count in fallen) > 1
    # Whoever fell to the first was left alone by the others.
    first = result.forward_passes == result.forward_passes.min()
    assert first.sum() == fallen[0]


def test_short_ensemble_breaks_more_than_its_parts(model, labels):
    parts = {
        "apgd": APGD(steps=6),
        "fab": FAB(steps=5, num_targets=2),
        "square": Square(queries=20),
    }
    version = [
        type(part)(**{**part.get_config(), "name": name})
        for name, part in parts.items()
    ]

    result = AutoAttack(0.05, version=version, seed=1).run(model, X, labels)

    assert_inside(result.images, X, 0.05, "linf", (0.0, 1.0))
    robust = to_numpy(model(result.images)).argmax(-1) == labels
    for part in version:
        alone = part.with_epsilon(0.05).run(model, X, labels)
        held = to_numpy(model(alone.images)).argmax(-1) == labels
        assert robust.mean() <= held.mean()
    again = AutoAttack(0.05, version=version, seed=1).run(model, X, labels)
    np.testing.assert_array_equal(again.images, result.images)


def test_wrong_images_are_left_alone(model, labels):
    wrong = (labels + 1) % 4

    result = AutoAttack(0.1).run(model, X, wrong)

    np.testing.assert_array_equal(result.images, X)
    assert result.forward_passes.tolist() == [1] * len(X)
    assert result.backward_passes.tolist() == [0] * len(X)


@pytest.mark.parametrize(
    "version", ["standard", "plus", ["apgd-ce", "square"], [FGSM()]]
)
def test_config(version):
    loaded = run_config_test(AutoAttack(0.1, norm="l2", version=version))

    names = list(AutoAttack(version=version, norm="l2").components(10))
    assert list(loaded.components(10))[:1] == names[:1]


def test_unknown_version():
    with pytest.raises(ValueError, match="standard.*'quick'"):
        AutoAttack(version="quick")
    with pytest.raises(ValueError, match="apgd-ce.*'pgdd'"):
        AutoAttack(version=["pgdd"])


def test_not_for_training(model):
    with pytest.raises(ValueError, match="evaluate with `AutoAttack`"):
        AutoAttack().perturb(model, X, None, (0.0, 1.0))


@pytest.mark.parametrize(
    "name, cls, objective",
    [
        ("fgsm", FGSM, "CrossEntropy"),
        ("PGD", PGD, "CrossEntropy"),
        ("apgd-dlr", APGD, "DLR"),
        ("apgd-t", APGD, "TargetedDLR"),
        ("square", Square, "Margin"),
        ("autoattack", AutoAttack, "NoneType"),
    ],
)
def test_attacks_by_name(name, cls, objective):
    attack = get(name, 0.2, norm="l2", seed=3)

    assert type(attack) is cls
    assert (attack.epsilon, attack.norm, attack.seed) == (0.2, "l2", 3)
    assert settings_objective(attack) == objective


def settings_objective(attack):
    return type(getattr(attack, "objective", None)).__name__


def test_unknown_attack():
    with pytest.raises(ValueError, match="autoattack.*'pdg'"):
        get("pdg")
    attack = PGD()
    assert get(attack) is attack
