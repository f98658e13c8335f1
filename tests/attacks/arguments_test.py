"""Tests of what attacks take: numbers of every kind, and no absurd radii."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_attn_defense as kad
from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import FAB
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import Attack
from keras_attn_defense.attacks import AutoAttack
from keras_attn_defense.attacks import CarliniWagner
from keras_attn_defense.attacks import DeepFool
from keras_attn_defense.attacks import GradientAttack
from keras_attn_defense.attacks import IterLL
from keras_attn_defense.attacks import RandomizedStepLL
from keras_attn_defense.attacks import SearchAttack
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks import StepLL
from keras_attn_defense.attacks import SzegedyLBFGS
from keras_attn_defense.attacks import objectives
from keras_attn_defense.attention import AttentionMethod
from keras_attn_defense.attention import BlackBoxMethod
from keras_attn_defense.attention import FeatureMethod
from tests import networks
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels()
F, N = np.float32, np.int64


@pytest.fixture(scope="module")
def model():
    return networks.functional()


@pytest.mark.parametrize(
    ("with_numpy", "plain"),
    [
        (PGD(F(0.25), F(0.5), N(2), seed=N(3)), PGD(0.25, 0.5, 2, seed=3)),
        (PGD((F(0.25), F(0.5))), PGD((0.25, 0.5))),
        (FGSM(np.array(0.25)), FGSM(0.25)),
        (APGD(F(0.25), N(3), rho=F(0.5)), APGD(0.25, 3, rho=0.5)),
        (Square(0.25, N(3), p_init=F(0.5)), Square(0.25, 3, p_init=0.5)),
        (CarliniWagner(initial_const=F(0.5)), CarliniWagner(initial_const=0.5)),
        (FAB(num_targets=N(3), eta=F(1.5)), FAB(num_targets=3, eta=1.5)),
        (DeepFool(candidates=N(3)), DeepFool(candidates=3)),
        (StepLL(label_smoothing=F(0.5)), StepLL(label_smoothing=0.5)),
        (PGD(value_range=np.array([0, 255])), PGD(value_range=(0, 255))),
    ],
)
def test_numbers_of_numpy_are_numbers(with_numpy, plain):
    found, expected = with_numpy.get_config(), plain.get_config()
    for key in found.keys() - {"name"}:
        assert found[key] == expected[key]
        assert type(found[key]) is type(expected[key]), key


def test_numbers_of_numpy_when_it_runs(model):
    attack = FGSM(F(0.25))
    found = attack.run(model, X, Y, batch_size=N(2)).images
    np.testing.assert_array_equal(found, to_numpy(FGSM(0.25)(model, X, Y)))
    with pytest.raises(ValueError, match="`batch_size` should be a whole"):
        attack.run(model, X, Y, batch_size=0)


@pytest.mark.parametrize("values", [{"steps": True}, {"steps": 2.0}])
def test_what_is_no_whole_number_is_refused(values):
    with pytest.raises(ValueError, match="`steps` should be a whole number"):
        PGD(**values)


def test_a_step_of_no_length_is_refused():
    with pytest.raises(ValueError, match="`step_size` should be a number abov"):
        PGD(step_size=0)


@pytest.mark.parametrize(
    "attack",
    [
        PGD(300),
        PGD((0.1, 8.0)),
        FGSM(1.01),
        PGD(14.0, norm="l2"),
        PGD(193.0, norm="l1"),
        Square(8, queries=2),
    ],
)
def test_a_ball_that_holds_every_image_is_refused(model, attack):
    with pytest.raises(ValueError, match="become any other.*did you mean .* /"):
        attack(model, X, Y)
    with pytest.raises(ValueError, match="become any other"):
        attack.run(model, X, Y)
    with pytest.raises(ValueError, match="become any other"):
        attack.check_radius((0.0, 1.0), (8, 8, 3))


@pytest.mark.parametrize(
    "attack", [FGSM(1.0), FGSM(13.8, norm="l2"), FGSM(192.0, norm="l1")]
)
def test_the_largest_ball_is_allowed(model, attack):
    assert to_numpy(attack(model, X, Y)).shape == X.shape


def test_radii_are_in_the_units_of_the_images(model):
    attack = FGSM(8.0, value_range=(0, 255))
    assert to_numpy(attack(model, 255 * X, Y)).max() > 1
    with pytest.raises(ValueError, match="of the images\\.$"):
        FGSM(300.0, value_range=(0, 255))(model, 255 * X, Y)


def test_a_bound_of_the_smallest_perturbation_may_be_any(model):
    found = DeepFool(100.0, steps=2)(model, X, Y)
    assert to_numpy(found).shape == X.shape


@pytest.mark.parametrize("cls", [StepLL, RandomizedStepLL, IterLL, DeepFool])
def test_attacks_that_choose_their_class_cannot_be_targeted(cls):
    with pytest.raises(ValueError, match=f"{cls.__name__} .* targeted"):
        cls(targeted=True)


@pytest.mark.parametrize("cls", [PGD, APGD])
def test_an_objective_without_labels_cannot_be_targeted(cls):
    with pytest.raises(ValueError, match="KLDivergence does not look at lab"):
        cls(objective="kl_divergence", targeted=True)


def test_arguments_without_effect_are_refused():
    with pytest.raises(ValueError, match="would find the same"):
        SzegedyLBFGS(restarts=2)
    with pytest.raises(ValueError, match="Pass `queries` in place of `steps`"):
        Square(steps=10)


@pytest.mark.parametrize(
    ("given", "method"),
    [
        (Attack, "run_batches"),
        (SearchAttack, "begin"),
    ],
)
def test_an_attack_without_its_method_names_it(model, given, method):
    class Mine(given):
        pass

    with pytest.raises(
        NotImplementedError, match=f"Mine does not define `{method}`"
    ):
        Mine()(model, X, Y)


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (AttentionMethod, "explain"),
        (BlackBoxMethod, "raw_maps"),
        (FeatureMethod, "channel_weights"),
    ],
)
def test_a_method_without_its_method_names_it(model, base, method):
    class Mine(base):
        pass

    with pytest.raises(
        NotImplementedError, match=f"Mine does not define `{method}`"
    ):
        Mine(model=model)(X, Y)


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (objectives.Objective, "call"),
        (objectives.ImageObjective, "call_on_images"),
    ],
)
def test_an_objective_without_its_method_names_it(model, base, method):
    class Mine(base):
        pass

    with pytest.raises(
        NotImplementedError, match=f"Mine does not define `{method}`"
    ):
        FGSM(objective=Mine())(model, X, Y)


# Every alternative that a signature names, once.
@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    "build",
    [
        lambda: PGD(None),
        lambda: PGD(0.1, None),
        lambda: PGD((0.05, 0.1)),
        lambda: PGD(objective=objectives.Margin()),
        lambda: PGD(objective=objectives.margin),
        lambda: PGD(objective="margin"),
        lambda: BIM(0.1, objective=lambda z, y: z[:, 0]),
        lambda: Square(0.1, 2, objective=objectives.margin),
        lambda: APGD(0.1, 2, objective=objectives.margin),
        lambda: kad.attacks.AttentionAttack(0.1, steps=2, objective=None),
        lambda: kad.attacks.AttentionAttack(
            0.1, steps=2, objective=objectives.margin, schedule="linear"
        ),
        lambda: AutoAttack(0.1, version=(Square(0.1, 2), FGSM(0.1))),
        lambda: FAB(None, 2, num_targets=None),
        lambda: DeepFool(None, 2),
    ],
)
def test_every_annotated_alternative_works(model, build):
    attack = build()
    for y in (Y, None, np.eye(4, dtype="float32")[Y]):
        assert to_numpy(attack(model, X, y)).shape == X.shape
    assert attack.with_epsilon(0.05).epsilon == 0.05
    assert attack.with_epsilon(None).epsilon is None


def test_adversarial_images_and_maps_can_be_read_by_numpy(model):
    for found in (
        FGSM(0.1)(model, X, Y),
        kad.attention.GradCAM(model=model)(X, Y),
        kad.attention.Occlusion(4, model=model)(X, Y),
    ):
        array = np.asarray(found)
        assert array.dtype == "float32" and len(array) == len(X)
        np.testing.assert_array_equal(array, to_numpy(found))
        np.testing.assert_array_equal(np.array(found, "float64"), array)


def test_integers_as_input_are_refused_with_the_cure_first():
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(4)(x))
    images = np.round(255 * X)

    with pytest.raises(ValueError, match=r"^Declare .* `keras.Input\(\(8, 8, "):
        FGSM(value_range=(0, 255))(model, images, Y)
    attack = Square(8, 2, value_range=(0, 255))  # It needs no gradients.
    assert to_numpy(attack(model, images, Y)).shape == X.shape


def test_a_gradient_attack_needs_nothing_more(model):
    class Mine(GradientAttack):
        pass

    found = to_numpy(Mine(0.1)(model, X, Y))
    np.testing.assert_array_equal(found, to_numpy(FGSM(0.1)(model, X, Y)))
