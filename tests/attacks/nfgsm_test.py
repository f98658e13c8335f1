"""N-FGSM: noise wider than the ball, one step, and no projection."""

import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels(8)
EPSILON = 8 / 255


def crafted(**kwargs):
    attack = kad.attacks.NFGSM(EPSILON, seed=3, **kwargs)
    return to_numpy(attack(networks.functional(), X, Y))


def test_without_noise_it_is_fgsm():
    expected = to_numpy(kad.attacks.FGSM(EPSILON)(networks.functional(), X, Y))
    np.testing.assert_allclose(crafted(noise=0.0), expected, atol=1e-6)


def test_noise_and_step_add_up_and_are_clipped_to_the_range_only():
    change = np.abs(crafted() - X)
    assert 2.5 * EPSILON < change.max() <= 3 * EPSILON + 1e-6
    assert np.mean(change > EPSILON * 1.01) > 0.3
    x_adv = to_numpy(
        kad.attacks.NFGSM(0.4, seed=3)(networks.functional(), X, Y)
    )
    assert x_adv.min() == 0.0 and x_adv.max() == 1.0
    # Uniform noise of radius 2, and a step of 1 from there.
    mean = np.mean(change[(X > 0.2) & (X < 0.8)]) / EPSILON
    assert mean == pytest.approx(1.25, abs=0.1)


def test_the_step_follows_the_gradient_at_the_noisy_image():
    model = networks.functional()
    attack = kad.attacks.NFGSM(EPSILON, step_size=1e-9, seed=3)
    noisy = to_numpy(attack(model, X, Y))
    expected = to_numpy(kad.attacks.FGSM(EPSILON)(model, noisy, Y))
    inside = (noisy > EPSILON) & (noisy < 1 - EPSILON)
    np.testing.assert_allclose(crafted()[inside], expected[inside], atol=1e-6)


def test_an_evaluation_refuses_it():
    with pytest.raises(ValueError, match="outside of the ball|would not count"):
        kad.evaluate_robustness(
            networks.functional(),
            X,
            Y,
            attacks=[kad.attacks.NFGSM(EPSILON)],
            epsilons=EPSILON,
            verbose=0,
        )


def test_by_name_and_config():
    attack = kad.attacks.get("n-fgsm", EPSILON, noise=1.0)
    copy = kad.attacks.NFGSM.from_config(attack.get_config())
    assert copy.noise == 1.0 and copy.random_start
    with pytest.raises(ValueError, match="`noise` should be"):
        kad.attacks.NFGSM(noise=-1.0)
