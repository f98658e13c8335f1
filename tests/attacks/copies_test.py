"""Tests of copies of attacks: their random numbers are their own."""

import copy

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import AutoAttack
from keras_attn_defense.attacks import EnsembleAttack
from keras_attn_defense.attacks import Square
from tests import networks
from tests.attacks.changed_network_test import Counted
from tests.attacks.changed_network_test import needs_compilation
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels()


def seed_of(attack):
    return to_numpy(attack.seed_generator.state)


@pytest.fixture(scope="module")
def model():
    return networks.functional()


@pytest.mark.parametrize("duplicate", [copy.copy, lambda a: a.with_epsilon(1)])
def test_a_copy_owns_its_seed_and_strength(duplicate):
    attack = PGD(0.1, steps=1, seed=3)
    before = seed_of(attack)

    other = duplicate(attack)
    np.testing.assert_array_equal(seed_of(other), before)
    other.reseed(99)
    other.strength.assign(0.5)

    np.testing.assert_array_equal(seed_of(attack), before)
    assert float(to_numpy(attack.strength)) == 1.0
    assert [v.name for v in attack.variables] == [
        v.name for v in other.variables
    ]


def test_training_the_original_leaves_a_copy_alone():
    # JAX deletes the arrays of what it trains, the state of its seeds too.
    model = kad.AttentionDefendedModel(
        networks.functional(), attack=PGD(0.1, steps=1, random_start=True)
    )
    other = copy.copy(model.attack)
    before = seed_of(other).copy()
    model.compile("sgd")
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(seed_of(other), before)


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "build",
    [
        lambda: PGD(0.1, steps=1, seed=3),
        lambda: APGD(0.1, steps=2, seed=3),
        lambda: Square(0.1, queries=3, seed=3),
    ],
    ids=["pgd", "apgd", "square"],
)
def test_copies_draw_numbers_of_their_own_by_shared_code(model, build):
    attack = build()
    first = to_numpy(attack(model, X, Y))
    other = copy.copy(attack)
    # Each goes on alone from the same place.
    second = to_numpy(other(model, X, Y))
    third = to_numpy(other(model, X, Y))

    np.testing.assert_array_equal(to_numpy(attack(model, X, Y)), second)
    np.testing.assert_array_equal(to_numpy(attack(model, X, Y)), third)
    fresh = build()
    expected = [to_numpy(fresh(model, X, Y)) for _ in range(3)]
    for found, right in zip((first, second, third), expected, strict=True):
        np.testing.assert_array_equal(found, right)
    assert (first != second).any() and (second != third).any()


@needs_compilation
def test_another_radius_compiles_nothing_again(model):
    counted = Counted()
    attack = PGD(0.1, steps=1, seed=3, objective=counted)
    attack(model, X, Y)
    first = counted.traces

    for epsilon in (0.05, 0.2):
        attack.with_epsilon(epsilon)(model, X, Y)
    copy.copy(attack.with_epsilon(0.3))(model, X, Y)

    assert counted.traces == first


def test_an_attack_inside_an_attack_is_copied_too(model):
    inner = PGD(0.1, steps=1, seed=3)
    attack = EnsembleAttack([networks.sequential()], inner)
    before = seed_of(inner)

    for other in (copy.copy(attack), attack.with_epsilon(0.05)):
        assert other.strength is other.attack.strength
        other.reseed(99)
        other.strength.assign(0.0)
        np.testing.assert_array_equal(to_numpy(other(model, X, Y)), X)

    np.testing.assert_array_equal(seed_of(inner), before)
    assert float(to_numpy(inner.strength)) == 1.0
    assert attack.with_epsilon(0.05).attack.epsilon == 0.05


def test_an_evaluation_leaves_the_random_numbers_of_attacks_alone(model):
    own = PGD(0.1, steps=1, seed=3)
    part = Square(0.1, queries=2, seed=5)
    attacks = [own, AutoAttack(0.1, version=[part]), FGSM(0.1)]
    before = [seed_of(own), seed_of(part)]

    kad.evaluate_robustness(
        model, X, Y, attacks=attacks, epsilons=[0.1], checks=False, verbose=0
    )

    np.testing.assert_array_equal(seed_of(own), before[0])
    np.testing.assert_array_equal(seed_of(part), before[1])


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class WithLayer(PGD):
    """Has a layer, a variable and a list of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.blur = keras.layers.Dense(2, name="blur")
        self.counter = self.add_weight(shape=(), name="counter")
        self.notes = ["a"]


def test_a_copy_has_what_users_add(model):
    attack = WithLayer(0.1, steps=1, seed=3)
    attack.counter.assign(4.0)

    other = copy.copy(attack)

    assert other.blur is attack.blur and other.notes == ["a"]
    assert float(to_numpy(other.counter)) == 4.0
    other.counter.assign(5.0)
    assert float(to_numpy(attack.counter)) == 4.0
    np.testing.assert_array_equal(
        to_numpy(other(model, X, Y)), to_numpy(attack(model, X, Y))
    )
    assert len(attack.variables) == len(other.variables) == 3


def test_another_norm_is_another_ball():
    attack = kad.attacks.PGD(0.5, steps=2, seed=0)
    attack.norm = "l2"
    model = networks.sequential()
    x, y = networks.images_and_labels(4)
    expected = kad.attacks.PGD(0.5, steps=2, seed=0, norm="l2")(model, x, y)
    np.testing.assert_array_equal(
        to_numpy(attack(model, x, y)), to_numpy(expected)
    )
    assert attack.get_config()["norm"] == "l2"
    with pytest.raises(ValueError, match="norm"):
        attack.norm = "l7"
