"""Tests of the norm balls."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import perturbation_sets
from tests.testing import assert_inside
from tests.testing import perturbation_size
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
CHANGES = GENERATOR.normal(size=(6, 4, 4, 3)).astype("float32")
CHANGES[0] *= 1e-3  # Inside already.
NORMS = ("linf", "l2", "l1")


def ball_of(norm):
    return perturbation_sets.get(norm)


def project(norm, changes):
    return ball_of(norm).project(ops.convert_to_tensor(changes), 0.5)


def size(changes, norm):
    return perturbation_size(changes, np.zeros_like(changes), norm)


def nearest_in_l1(change, radius):
    """All values shrunk equally, by bisection."""
    low, high = 0.0, abs(change).max()
    for _ in range(60):
        middle = (low + high) / 2
        total = np.maximum(abs(change) - middle, 0).sum()
        low, high = (middle, high) if total > radius else (low, middle)
    return np.sign(change) * np.maximum(abs(change) - low, 0)


@pytest.mark.parametrize("norm", NORMS)
def test_projection(norm):
    projected = to_numpy(project(norm, CHANGES))

    if norm == "linf":
        expected = np.clip(CHANGES, -0.5, 0.5)
    elif norm == "l1":
        expected = np.stack([nearest_in_l1(change, 0.5) for change in CHANGES])
    else:
        length = np.linalg.norm(CHANGES.reshape(6, -1), axis=-1)
        expected = CHANGES * np.minimum(1, 0.5 / length)[:, None, None, None]
    np.testing.assert_allclose(projected, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(projected[0], CHANGES[0])
    again = to_numpy(project(norm, projected))
    np.testing.assert_allclose(again, projected, rtol=1e-6)
    nothing = to_numpy(project(norm, 0 * CHANGES))
    np.testing.assert_array_equal(nothing, 0.0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_ascent_direction(norm, scale):
    gradient = (CHANGES * scale).astype("float32")
    gradient[1] = 0.0

    direction = to_numpy(
        ball_of(norm).ascent_direction(ops.convert_to_tensor(gradient))
    )
    assert (direction[1] == 0).all()
    others = [0, 2, 3, 4, 5]
    np.testing.assert_allclose(size(direction[others], norm), 1.0, rtol=1e-5)
    wide = gradient[others].astype("float64")
    if norm == "linf":
        np.testing.assert_array_equal(direction[others], np.sign(wide))
    elif norm == "l1":  # The largest alone: 1 % of 48 values.
        steepest = abs(wide).max((1, 2, 3), keepdims=True)
        expected = np.where(abs(wide) == steepest, np.sign(wide), 0)
        np.testing.assert_array_equal(direction[others], expected)
    else:
        length = np.sqrt((wide**2).sum((1, 2, 3), keepdims=True))
        np.testing.assert_allclose(direction[others], wide / length, rtol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_dual_norm(norm):
    actual = ball_of(norm).dual_norm(ops.convert_to_tensor(CHANGES))

    order = {"linf": 1, "l2": 2, "l1": np.inf}[norm]
    expected = np.linalg.norm(CHANGES.reshape(6, -1), order, axis=-1)
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=1e-5)


def test_l1_steps_leave_out_what_is_at_its_bound():
    x = np.array([0.0, 0.0, 1.0, 1.0, 0.5, 1 - 1e-7], "float32")
    gradient = np.array([1.0, -2.0, 3.0, -4.0, 5.0, 6.0], "float32")
    shape = (1, 2, 3, 1)
    tensors = [ops.convert_to_tensor(v.reshape(shape)) for v in (gradient, x)]

    followed = ball_of("l1").restrict(*tensors, (0.0, 1.0))
    expected = [1.0, 0.0, 0.0, -4.0, 5.0, 0.0]
    np.testing.assert_array_equal(to_numpy(followed).ravel(), expected)
    for norm in ("linf", "l2"):
        followed = ball_of(norm).restrict(*tensors, (0.0, 1.0))
        np.testing.assert_array_equal(to_numpy(followed).ravel(), gradient)


@pytest.mark.parametrize("norm", NORMS)
def test_border(norm):
    seed = keras.random.SeedGenerator(0)

    changes = to_numpy(ball_of(norm).sample_border((50, 3, 3, 1), 0.5, seed))
    np.testing.assert_allclose(size(changes, norm), 0.5, rtol=1e-5)
    assert 0.3 < (changes > 0).mean() < 0.7


@pytest.mark.parametrize("norm", NORMS)
def test_samples_are_uniform(norm):
    seed = keras.random.SeedGenerator(0)
    shape = (400, 4, 4, 1) if norm == "linf" else (4000, 2, 1, 1)

    changes = to_numpy(ball_of(norm).sample(shape, 0.5, seed))
    sizes = size(changes, norm)
    assert sizes.max() <= 0.5 * (1 + 1e-6)
    np.testing.assert_allclose(changes.mean(), 0.0, atol=0.01)
    if norm != "linf":
        # Half of the area lies within 0.707 of the radius.
        inner = (sizes < 0.5 * 0.5**0.5).mean()
        np.testing.assert_allclose(inner, 0.5, atol=0.03)
    else:
        np.testing.assert_allclose((abs(changes) < 0.25).mean(), 0.5, atol=0.03)
    other = to_numpy(ball_of(norm).sample(shape, 0.5, seed))
    assert abs(other - changes).max() > 0.1


@pytest.mark.parametrize("norm", NORMS)
def test_margin(norm):
    # It pays for rounding, and for little more.
    radii = ((8 / 255, 1.0), (8.0, 255.0), (2 / 255, 1.0))
    if norm == "l1":
        radii = ((12.0, 1.0), (3000.0, 255.0), (1.0, 1.0))
    for epsilon, bound in radii:
        radius = ball_of(norm).margin(
            ops.convert_to_tensor(epsilon), (None, 32, 32, 3), bound
        )
        assert 0.998 * epsilon < float(to_numpy(radius)) < epsilon
    endless = ball_of(norm).margin(
        ops.convert_to_tensor(float("inf")), (None, 4, 4, 1), 1.0
    )
    assert float(to_numpy(endless)) == float("inf")
    nothing = ball_of(norm).margin(
        ops.convert_to_tensor(0.0), (None, 4, 4, 1), 1.0
    )
    assert float(to_numpy(nothing)) == 0.0


def test_unknown_norm():
    with pytest.raises(ValueError, match=r"\['l1', 'l2', 'linf'\].*'l0'"):
        perturbation_sets.get("l0")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("share", [0.45, 0.51, 0.8])
def test_inside_to_the_last_bit_where_the_radius_is_large(norm, share):
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (64, 4, 4, 3)).astype("float32")
    moved = x + 20 * generator.normal(size=x.shape).astype("float32")
    largest = {"linf": 2.0, "l2": 2.0 * 48**0.5, "l1": 2.0 * 48}[norm]
    for epsilon in share * largest * generator.uniform(0.9, 1.0, 10):
        project = ball_of(norm).projection(
            ops.convert_to_tensor(x),
            ops.convert_to_tensor(epsilon, "float32"),
            (-1.0, 1.0),
        )
        inside = to_numpy(project(ops.convert_to_tensor(moved)))
        assert_inside(inside, x, epsilon, norm, (-1.0, 1.0))
