"""Tests of Foolbox on our models, against its own classes for them."""

import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import BIM
from tests import networks
from tests.testing import BACKEND
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

foolbox = pytest.importorskip("foolbox")

X, Y = networks.images_and_labels(6)
ATTACK = {"abs_stepsize": 0.02, "steps": 4, "random_start": False}


@pytest.mark.everywhere
def test_same_images_as_on_its_own_model():
    attack = foolbox.attacks.LinfPGD(**ATTACK)
    reference = networks.functional()
    if BACKEND == "torch":
        victim = foolbox.PyTorchModel(channels_first_module(reference), (0, 1))
        _, expected, _ = attack(victim, *as_torch(X, Y), epsilons=0.06)
        expected = expected.numpy().transpose(0, 2, 3, 1)
    else:
        expected = to_numpy(BIM(0.06, 0.02, 4)(reference, X, Y))

    model = kad.adapters.to_foolbox(networks.functional("softmax"))
    integer = "int32" if BACKEND == "jax" else "int64"
    x, y = map(ops.convert_to_tensor, (X, Y.astype(integer)))
    _, actual, success = attack(model, x, y, epsilons=0.06)

    assert abs(to_numpy(actual) - X).max() > 0.05
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=1e-6)
    fallen = to_numpy(reference(expected)).argmax(-1) != Y
    np.testing.assert_array_equal(to_numpy(success), fallen)


@pytest.mark.parametrize(
    "build", [foolbox.attacks.LinfPGD, foolbox.attacks.LinfDeepFoolAttack]
)
def test_labels_of_our_own_loaders(build):
    model = kad.adapters.to_foolbox(networks.functional())
    labels = Y.astype("int32")
    x, y = map(ops.convert_to_tensor, (X, labels))
    attack = build(steps=1)
    _, actual, success = attack(model, x, y, epsilons=0.06)

    assert abs(to_numpy(actual) - X).max() > 0.0
    answers = to_numpy(model(actual)).argmax(-1)
    np.testing.assert_array_equal(to_numpy(success), answers != labels)


def test_what_the_attack_tells_is_not_told_otherwise():
    attack = foolbox.attacks.LinfPGD(steps=2)
    made = kad.adapters.from_foolbox(attack, norm="linf", minimal=False)
    assert (made.norm, made.minimal) == ("linf", False)
    with pytest.raises(ValueError, match="`norm` is read from .*'linf'.*'l2'"):
        kad.adapters.from_foolbox(attack, norm="l2")
    with pytest.raises(ValueError, match="`minimal` is read from the attack"):
        kad.adapters.from_foolbox(attack, minimal=True)
    with pytest.raises(ValueError, match="`minimal` is read from whether"):
        kad.adapters.from_function(lambda model, x, y: x, minimal=False)


# Compiling its many small operations takes JAX long.
@pytest.mark.backend("tensorflow", "torch")
def test_smallest_perturbations():
    model = networks.linear()
    y = to_numpy(model(X)).argmax(-1)
    nearest = networks.boundary_distances(model, X, y, 2).min(-1)
    attack = kad.adapters.from_foolbox(foolbox.attacks.L2DeepFoolAttack())
    assert (attack.norm, attack.minimal) == ("l2", True)
    assert attack.label == "foolbox-l2deepfool"

    changes = attack.run(model, X, y).images - X
    sizes = np.linalg.norm(changes.reshape(6, -1), axis=-1)
    np.testing.assert_allclose(sizes, 1.02 * (nearest + 1e-4), rtol=1e-3)

    # Given a radius, what goes further is brought back.
    radius = float(np.median(sizes))
    changes = attack.with_epsilon(radius).run(model, X, y).images - X
    inside = np.linalg.norm(changes.reshape(6, -1), axis=-1)
    np.testing.assert_allclose(inside, np.minimum(sizes, radius), rtol=1e-3)


def test_noise_follows_from_the_seed():
    attack = kad.adapters.from_foolbox(
        foolbox.attacks.LinfAdditiveUniformNoiseAttack(), 0.1
    )
    assert not attack.minimal
    model = networks.linear()

    def run():
        attack.reseed(3)
        return [attack.run(model, X, Y).images for _ in range(2)]

    first, second = run()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(run(), [first, second])


def test_other_distances_are_refused():
    attack = foolbox.attacks.InversionAttack(distance=foolbox.distances.l0)

    with pytest.raises(ValueError, match="Expected a norm among"):
        kad.adapters.from_foolbox(attack)
