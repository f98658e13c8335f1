"""Tests of the projection on the l1 ball, and of sparse directions."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import perturbation_sets
from keras_attn_defense.attacks.perturbation_sets.l1_ball import shrink
from keras_attn_defense.attacks.perturbation_sets.l1_ball import sparse_sign
from tests.testing import to_numpy

GENERATOR = np.random.default_rng(0)
SIZES = abs(GENERATOR.normal(size=(8, 40))).astype("float32")
ROOM = GENERATOR.uniform(0, 1, (8, 40)).astype("float32")


def shrunk(sizes, room, radius):
    tensors = map(ops.convert_to_tensor, (sizes, room, radius))
    return to_numpy(shrink(*tensors))


def by_bisection(sizes, room, radius):
    low, high = 0.0, float(sizes.max())
    for _ in range(80):
        middle = (low + high) / 2
        total = np.clip(sizes - middle, 0, room).sum()
        low, high = (middle, high) if total > radius else (low, middle)
    return np.clip(sizes - high, 0, room)


@pytest.mark.parametrize("radius", [0.0, 0.3, 5.0, 1000.0])
def test_shrink(radius):
    actual = shrunk(SIZES, ROOM, np.full((1, 1), radius, "float32"))

    for row in range(8):
        sizes, room = SIZES[row].astype("float64"), ROOM[row].astype("float64")
        expected = by_bisection(sizes, room, radius)
        np.testing.assert_allclose(actual[row], expected, atol=1e-6)


def test_a_radius_for_each_row():
    radius = np.linspace(0.1, 10, 8, dtype="float32")[:, None]

    actual = shrunk(SIZES, ROOM, radius)
    np.testing.assert_allclose(actual.sum(-1), radius[:, 0], rtol=1e-6)


def test_nothing_allowed_is_closer():
    """In the ball and the range; clipping after the ball is not enough."""
    x = GENERATOR.uniform(size=(4, 4, 4, 3)).astype("float32")
    change = GENERATOR.normal(size=x.shape).astype("float32")
    ball = perturbation_sets.get("l1")

    images = ops.convert_to_tensor(x)
    project = ball.projection(images, 5.0, (0.0, 1.0))
    actual = to_numpy(project(ops.convert_to_tensor(x + change)))
    distance = ((actual - x - change) ** 2).sum((1, 2, 3))
    onto_ball = to_numpy(ball.project(ops.convert_to_tensor(change), 5.0))
    one_by_one = np.clip(x + onto_ball, 0, 1)
    assert (distance < ((one_by_one - x - change) ** 2).sum((1, 2, 3))).all()
    assert actual.min() >= 0 and actual.max() <= 1
    sums = abs(actual.astype("float64") - x).sum((1, 2, 3))
    assert (sums <= 5.0).all() and (sums > 4.999).all()
    for _ in range(200):
        other = GENERATOR.uniform(size=x.shape) - x
        other *= np.minimum(1, 5 / abs(other).sum((1, 2, 3), keepdims=True))
        step = GENERATOR.uniform(0, 0.1)
        near = (1 - step) * (actual - x) + step * other
        assert (((near - change) ** 2).sum((1, 2, 3)) > distance - 1e-3).all()


@pytest.mark.backend("torch")
@pytest.mark.parametrize("radius", [1.0, 12.0])
@pytest.mark.parametrize("scale", [0.01, 0.3])
def test_reference(radius, scale):
    import torch

    oracle = pytest.importorskip("pyautoattack.autopgd_base")
    x = GENERATOR.uniform(size=(8, 10, 12, 3)).astype("float32")
    change = (GENERATOR.normal(size=x.shape) * scale).astype("float32")

    expected = change + to_numpy(
        oracle.L1_projection(torch.tensor(x), torch.tensor(change), radius)
    )
    images = ops.convert_to_tensor(x)
    project = perturbation_sets.get("l1").projection(images, radius, (0, 1))
    actual = to_numpy(project(ops.convert_to_tensor(x + change))) - x
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_sparse_sign():
    gradient = GENERATOR.normal(size=(3, 4, 5, 2)).astype("float32")
    gradient[2] = 0.0
    share = np.array([0.1, 0.5, 0.5], "float32")

    actual = to_numpy(
        sparse_sign(
            ops.convert_to_tensor(gradient), ops.convert_to_tensor(share)
        )
    )
    for row, kept in enumerate((4, 20)):
        order = np.argsort(-abs(gradient[row].ravel()))[:kept]
        expected = np.zeros(40)
        expected[order] = np.sign(gradient[row].ravel()[order]) / kept
        np.testing.assert_allclose(actual[row].ravel(), expected, rtol=1e-6)
    np.testing.assert_array_equal(actual[2], 0.0)


def test_at_least_one_value_is_kept():
    gradient = GENERATOR.normal(size=(2, 3, 3, 1)).astype("float32")

    actual = to_numpy(sparse_sign(ops.convert_to_tensor(gradient), 0.001))
    assert ((actual != 0).sum((1, 2, 3)) == 1).all()
    assert (abs(actual).argmax() == abs(gradient[0]).argmax()).all()
