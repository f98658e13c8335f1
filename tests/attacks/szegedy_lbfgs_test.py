"""Tests of box-constrained L-BFGS against closed forms."""

import numpy as np
import pytest

from keras_attn_defense.attacks import SzegedyLBFGS
from tests import networks
from tests.testing import jitted
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, _ = networks.images_and_labels(2)


def predicted(model, x=X):
    return to_numpy(model(x)).argmax(-1).astype("int32")


@pytest.mark.everywhere
def test_two_linear_classes():
    model = networks.linear(classes=2)
    y = predicted(model)
    nearest = networks.boundary_distances(model, X, y, 2).min(-1)
    attack = SzegedyLBFGS(binary_search_steps=15)

    result = attack.run(model, X, y)

    assert (predicted(model, result.images) != y).all()
    sizes = perturbation_size(result.images, X, "l2")
    np.testing.assert_allclose(sizes, nearest, rtol=2e-3)
    assert (result.backward_passes >= 15).all()

    epsilon = float(nearest.mean())
    images = attack.with_epsilon(epsilon).run(model, X, y).images
    assert (perturbation_size(images, X, "l2") <= epsilon).all()
    broken = predicted(model, images) != y
    np.testing.assert_array_equal(broken, sizes <= epsilon)


def test_minimum_in_a_box():
    # At the bounds, half of the values cannot move along the gradient.
    model = networks.linear(classes=2)
    x = np.round(X)
    y = predicted(model, x)
    kernel = to_numpy(model.weights[0])

    images = SzegedyLBFGS(binary_search_steps=20).run(model, x, y).images

    for image, clean, label in zip(images, x, y, strict=True):
        slope = (kernel[:, 1 - label] - kernel[:, label]).reshape(clean.shape)
        free = np.where(clean == 0, slope > 0, slope < 0)
        change = image - clean
        assert (change[~free] == 0).all()
        # No free value reached the other bound: they move with the slope.
        factor = change[free] / slope[free]
        np.testing.assert_allclose(factor, factor.mean(), rtol=0.02)
        gap = to_numpy(model(image[None]))[0]
        assert 0 <= gap[1 - label] - gap[label] < 0.01


def test_value_range():
    model = networks.linear(classes=2)
    y = predicted(model)
    attack = SzegedyLBFGS(binary_search_steps=10)
    small = to_numpy(attack(model, X, y))

    attack = SzegedyLBFGS(binary_search_steps=10, value_range=(0, 255))
    large = attack(lambda x: model(x / 255.0), 255.0 * X, y)

    np.testing.assert_allclose(to_numpy(large) / 255.0, small, atol=1e-3)


def test_targets():
    model = networks.linear()
    logits = to_numpy(model(X))
    y = predicted(model)
    weakest = logits.argmin(-1).astype("int32")

    towards = SzegedyLBFGS(targeted=True).run(model, X, weakest).images
    away = SzegedyLBFGS().run(model, X, y).images

    np.testing.assert_array_equal(predicted(model, towards), weakest)
    strongest = logits.argsort(-1)[:, -2]
    np.testing.assert_array_equal(predicted(model, away), strongest)


def test_images_that_are_wrong_stay():
    model = networks.linear()
    y = (predicted(model) + 1) % 4

    result = SzegedyLBFGS().run(model, X, y)

    np.testing.assert_array_equal(result.images, X)
    np.testing.assert_array_equal(result.forward_passes, 1)


@pytest.mark.backend("tensorflow", "jax")
def test_compiled_step():
    model = networks.linear()
    attack = SzegedyLBFGS()
    y = predicted(model)

    with pytest.raises(ValueError, match="runs SciPy on the host"):
        jitted(lambda x: attack(model, x, y))(X)


def test_other_norm():
    with pytest.raises(ValueError, match="minimizes the norm 'l2'"):
        SzegedyLBFGS(norm="linf")


def test_config():
    run_config_test(
        SzegedyLBFGS(0.1, 7, binary_search_steps=3, initial_const=1.0)
    )
