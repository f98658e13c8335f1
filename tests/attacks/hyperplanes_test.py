"""Tests of the way to a hyperplane inside the value range."""

import numpy as np
import pytest
import scipy.optimize
from keras import ops

from keras_attn_defense.attacks.hyperplanes import change_to_hyperplane
from tests.testing import to_numpy

NORMS = ("linf", "l2", "l1")
GENERATOR = np.random.default_rng(0)
POINTS = GENERATOR.uniform(-1, 2, (16, 7)).astype("float32")
NORMALS = GENERATOR.normal(size=(16, 7)).astype("float32")
NORMALS[:, 2] = 0.0
VALUES = GENERATOR.normal(size=16).astype("float32")
RANGE = (-1.0, 2.0)


def change(norm, points=POINTS, normals=NORMALS, values=VALUES, bounds=RANGE):
    tensors = map(ops.convert_to_tensor, (points, normals, values))
    return to_numpy(change_to_hyperplane(*tensors, bounds, norm))


def smallest(norm, point, normal, value):
    """The same by SciPy: a linear program, or a quadratic one."""
    bounds = np.stack([RANGE[0] - point, RANGE[1] - point], -1)
    size = len(point)
    if norm == "l2":
        result = scipy.optimize.minimize(
            lambda d: d @ d,
            np.zeros(size),
            jac=lambda d: 2 * d,
            bounds=bounds,
            constraints={
                "type": "eq",
                "fun": lambda d: normal @ d + value,
                "jac": lambda d: normal,
            },
            options={"ftol": 1e-12},
        )
        return result.x
    # Lengths beside the change, one for all or one each.
    lengths = np.ones((size, 1)) if norm == "linf" else np.eye(size)
    extra = lengths.shape[1]
    eye = np.eye(size)
    result = scipy.optimize.linprog(
        np.r_[np.zeros(size), np.ones(extra)],
        A_ub=np.block([[eye, -lengths], [-eye, -lengths]]),
        b_ub=np.zeros(2 * size),
        A_eq=[np.r_[normal, np.zeros(extra)]],
        b_eq=[-value],
        bounds=[*bounds, *[(0, None)] * extra],
    )
    return result.x[:size]


def size(changes, norm):
    return np.linalg.norm(
        changes, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=-1
    )


@pytest.mark.parametrize("norm", NORMS)
def test_smallest_change(norm):
    actual = change(norm).astype("float64")

    moved = POINTS + actual
    assert moved.min() >= RANGE[0] - 1e-6 and moved.max() <= RANGE[1] + 1e-6
    left = (NORMALS * actual).sum(-1) + VALUES
    np.testing.assert_allclose(left, 0.0, atol=1e-5)
    expected = [
        smallest(norm, POINTS[i], NORMALS[i], VALUES[i]) for i in range(16)
    ]
    np.testing.assert_allclose(
        size(actual, norm), size(np.array(expected), norm), rtol=1e-4
    )
    if norm == "l2":  # There it is unique.
        np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_out_of_reach(norm):
    actual = change(norm, values=VALUES + 100 * np.sign(VALUES))

    towards = -np.sign(NORMALS) * np.sign(VALUES)[:, None]
    corner = np.where(towards > 0, RANGE[1], RANGE[0]) - POINTS
    expected = np.where(towards == 0, 0, corner)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_nowhere_to_go(norm):
    on_it = change(norm, values=0 * VALUES)
    no_slope = change(norm, normals=0 * NORMALS)

    np.testing.assert_array_equal(on_it, 0.0)
    np.testing.assert_array_equal(no_slope, 0.0)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_scale_of_the_normal_does_not_matter(norm, scale):
    actual = change(norm, normals=NORMALS * scale, values=VALUES * scale)

    np.testing.assert_allclose(actual, change(norm), atol=1e-5)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [0.02, 0.3, 2.0])
def test_reference(norm, scale):
    import torch

    oracle = pytest.importorskip("pyautoattack.fab_projections")
    points = GENERATOR.uniform(size=(32, 300)).astype("float32")
    normals = GENERATOR.normal(size=(32, 300)).astype("float32")
    values = (GENERATOR.normal(size=32) * scale * 17).astype("float32")

    expected = getattr(oracle, f"projection_{norm}")(
        torch.tensor(points),
        torch.tensor(normals),
        torch.tensor((points * normals).sum(-1) - values),
    )
    actual = change(norm, points, normals, values, (0.0, 1.0))
    np.testing.assert_allclose(actual, to_numpy(expected), atol=1e-5)
