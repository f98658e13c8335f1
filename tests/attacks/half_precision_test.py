"""Tests of attacks on models that compute in half precision."""

import numpy as np
import pytest

from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


def moved(x_adv):
    return abs(x_adv - X) > 0.5 * abs(x_adv - X).max()


# The last leaves the other classes 1e-20; float16 ends at 1e-8.
@pytest.mark.parametrize(
    "factor, ending, dtype",
    [
        (1.0, "logits", "mixed_float16"),
        (90.0, "logits", "mixed_float16"),
        (200.0, "logits", "mixed_float16"),
        (90.0, "softmax", "mixed_float16"),
        (200.0, "softmax", "mixed_float16"),
        (200.0, "softmax", "mixed_bfloat16"),
    ],
)
def test_gradients_of_a_sure_model_do_not_vanish(factor, ending, dtype):
    model, twin = (
        networks.sharpened(networks.sequential(ending, dtype=policy), factor)
        for policy in (dtype, None)
    )
    labels = to_numpy(twin(X)).argmax(-1)

    x_adv = to_numpy(FGSM(epsilon=8 / 255)(model, X, labels))
    expected = to_numpy(FGSM(epsilon=8 / 255)(twin, X, labels))

    assert x_adv.dtype == "float32"
    assert moved(x_adv).mean() > 0.95
    same = np.sign(x_adv - X) == np.sign(expected - X)
    assert same.mean() > 0.9


@pytest.mark.parametrize("factor", [1.0, 30.0])
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_gradients_of_a_wrong_model_do_not_overflow(factor, dtype):
    model = networks.sharpened(networks.sequential(dtype=dtype), factor)
    twin = networks.sharpened(networks.sequential(), factor)
    labels = to_numpy(twin(X)).argmin(-1)

    x_adv = to_numpy(FGSM(epsilon=8 / 255)(model, X, labels))
    expected = to_numpy(FGSM(epsilon=8 / 255)(twin, X, labels))

    assert moved(x_adv).mean() > 0.95
    same = np.sign(x_adv - X) == np.sign(expected - X)
    assert same.mean() > 0.9


def test_l2_direction_of_small_gradients():
    model, twin = (
        networks.sharpened(networks.sequential(dtype=policy), 90.0)
        for policy in ("mixed_float16", None)
    )
    labels = to_numpy(twin(X)).argmax(-1)
    attack = PGD(0.3, steps=1, norm="l2", random_start=False)

    steps = [
        (to_numpy(attack(each, X, labels)) - X).reshape(4, -1)
        for each in (model, twin)
    ]
    lengths = [np.linalg.norm(step, axis=-1) for step in steps]
    np.testing.assert_allclose(lengths, 0.3, rtol=1e-3)
    cosine = (steps[0] * steps[1]).sum(-1) / lengths[0] / lengths[1]
    assert (cosine > 0.98).all()


def test_images_are_not_rounded_to_half_precision():
    # Near 1.0, steps of float16 are a sixtieth of 8/255.
    model = networks.sequential(dtype="mixed_float16")
    x = np.full_like(X, 0.90003)

    x_adv = to_numpy(FGSM(epsilon=0.001)(model, x, Y))
    changes = abs(x_adv.astype("float64") - x)
    np.testing.assert_allclose(changes, 0.001, atol=1e-6)
