"""Tests of the images after each step of an attack."""

import numpy as np
import pytest

from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import MomentumBIM
from keras_attn_defense.attacks import RandomizedStepLL
from tests import networks
from tests.testing import assert_same_state
from tests.testing import state
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels(5)
MOMENTUM = {"step_size": 0.02, "decay": 0.7}


@pytest.fixture(scope="module")
def model():
    return networks.functional()


def test_each_step_is_that_of_a_shorter_attack(model):
    attack = MomentumBIM(0.1, steps=3, **MOMENTUM)
    before = state(model)

    # A batch that is padded, too.
    path = attack.trajectory(model, X, Y, batch_size=4)

    assert_same_state(before, state(model))
    assert path.shape == (4, *X.shape) and path.dtype == "float32"
    np.testing.assert_array_equal(path[0], X)
    for steps in (1, 3):
        shorter = MomentumBIM(0.1, steps=steps, **MOMENTUM)
        expected = shorter.run(model, X, Y, batch_size=4).images
        np.testing.assert_allclose(path[steps], expected, rtol=0, atol=1e-6)
    # Without the memory, the third step would be another.
    forgetful = MomentumBIM(0.1, steps=1, **MOMENTUM)
    moved = to_numpy(forgetful(model, path[2, :4], Y[:4]))
    assert abs(moved - path[3, :4]).max() > 1e-3


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "build",
    [
        lambda: PGD(0.4, steps=3, norm="l2", seed=3),
        lambda: PGD((0.02, 0.1), steps=1, seed=3),
        lambda: RandomizedStepLL(0.1, seed=3),
    ],
    ids=["l2", "range", "least_likely"],
)
def test_the_last_entry_is_the_result(model, build):
    path = build().trajectory(model, X, Y)

    expected = to_numpy(build()(model, X, Y))
    np.testing.assert_allclose(path[-1], expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(path[0], X)


def test_without_labels_the_predicted_class_is_left(model):
    attack = PGD(0.1, steps=2, random_start=False)
    predicted = to_numpy(model(X)).argmax(-1)

    expected = attack.trajectory(model, X, predicted)
    np.testing.assert_array_equal(attack.trajectory(model, X), expected)


def test_bad_input(model):
    assert not hasattr(APGD(0.1), "trajectory")  # It ends image by image.
    with pytest.raises(ValueError, match="needs the classes to reach"):
        PGD(0.1, targeted=True).trajectory(model, X)
