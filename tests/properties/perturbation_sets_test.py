"""Norm balls: projections are inside, idempotent and nearest."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_attn_defense.attacks import perturbation_sets
from tests.properties import strategies
from tests.properties.strategies import SHAPE
from tests.properties.strategies import examples
from tests.testing import assert_inside
from tests.testing import perturbation_size
from tests.testing import tensor
from tests.testing import to_numpy

BATCH = 2
norms = pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
# Any change, equal values and zeros among its values.
changes = hnp.arrays(
    "float32",
    (BATCH, *SHAPE),
    elements=st.floats(-4, 4, width=32, allow_subnormal=False),
)
radii = st.floats(2.0**-10, 30.0, width=32)


def _sizes(change, norm):
    return perturbation_size(change, np.zeros_like(change), norm)


def _member(ball, norm, epsilon, seed):
    """Some change inside the ball, in float64."""
    inside = np.random.default_rng(seed).normal(size=(BATCH, *SHAPE))
    if norm == "l1":  # A vertex, where an l1 ball is far from round.
        inside[abs(inside) < 1.5] = 0
    size = np.maximum(_sizes(inside, norm), 1e-9)
    return inside * (epsilon / size)[:, None, None, None]


def _assert_nearest(point, projected, member):
    """No member of a convex set lies on the other side of the projection."""
    outward = point.astype("float64") - projected
    ahead = (outward * (member - projected)).reshape(BATCH, -1).sum(-1)
    scale = (outward**2).reshape(BATCH, -1).sum(-1) ** 0.5
    assert (ahead <= 1e-4 * (1 + scale)).all()


@norms
@examples(25)
@given(change=changes, epsilon=radii, seed=strategies.seeds)
def test_projection_onto_the_ball(norm, change, epsilon, seed):
    ball = perturbation_sets.get(norm)

    projected = to_numpy(ball.project(tensor(change), epsilon))

    assert (_sizes(projected, norm) <= epsilon * (1 + 1e-5)).all()
    again = to_numpy(ball.project(tensor(projected), epsilon))
    np.testing.assert_allclose(again, projected, rtol=1e-4, atol=1e-5)
    inside = _sizes(change, norm) <= epsilon * (1 - 1e-5)
    np.testing.assert_allclose(
        projected[inside], change[inside], rtol=1e-5, atol=1e-6
    )
    _assert_nearest(change, projected, _member(ball, norm, epsilon, seed))
    np.testing.assert_allclose(
        to_numpy(ball.norm(change)), _sizes(change, norm), rtol=1e-5, atol=1e-30
    )


@norms
@pytest.mark.parametrize("value_range", strategies.RANGES)
@examples(10)
@given(data=st.data())
def test_projection_onto_the_ball_and_the_range(norm, value_range, data):
    width = value_range[1] - value_range[0]
    x = data.draw(strategies.images(BATCH, value_range))
    moved = x + data.draw(changes) * np.float32(width)
    # Up to all of the range: rounding differs where the radius is large.
    corner = np.full((1, *SHAPE), width)
    largest = perturbation_size(corner, np.zeros_like(corner), norm)[0]
    share = st.one_of(st.just(0.0), st.floats(1e-3, 1.0))
    epsilon = data.draw(share) * largest
    ball = perturbation_sets.get(norm)
    radius = keras.ops.convert_to_tensor(epsilon, "float32")
    project = ball.projection(tensor(x), radius, value_range)

    projected = to_numpy(project(tensor(moved)))

    assert_inside(projected, x, epsilon, norm, value_range)
    again = to_numpy(project(tensor(projected)))
    np.testing.assert_allclose(again, projected, rtol=0, atol=1e-5 * width)
    if norm == "l2":
        return  # Onto the one and then the other: not the nearest of both.
    member = x + _member(ball, norm, epsilon, data.draw(strategies.seeds))
    # Toward the image, the range is convex: clipping stays inside the ball.
    member = np.clip(member, *value_range)
    unit = [each / width for each in (moved, projected, member)]
    _assert_nearest(*unit)


@norms
@examples(15)
@given(gradient=changes, power=st.integers(-20, 20), epsilon=radii)
def test_steepest_steps(norm, gradient, power, epsilon):
    """Of length one and uphill, at whatever size of the gradient."""
    gradient = (gradient * 10.0**power).astype("float32")
    gradient[abs(gradient) < 1e-30] = 0  # Not subnormal after the scaling.
    ball = perturbation_sets.get(norm)

    step = to_numpy(ball.ascent_direction(tensor(gradient)))

    none = ~gradient.reshape(BATCH, -1).any(-1)
    expected = np.where(none, 0.0, 1.0)
    np.testing.assert_allclose(_sizes(step, norm), expected, rtol=1e-5)
    rise = (gradient.astype("float64") * step).reshape(BATCH, -1).sum(-1)
    dual = to_numpy(ball.dual_norm(tensor(gradient)))
    if norm == "l1":  # Several values, of which one is the steepest.
        assert (rise <= dual * (1 + 1e-5)).all() and (rise[~none] > 0).all()
    else:
        np.testing.assert_allclose(rise, dual, rtol=1e-4)


@norms
@examples(10)
@given(epsilon=radii, seed=strategies.seeds)
def test_samples(norm, epsilon, seed):
    ball = perturbation_sets.get(norm)
    shape = (BATCH, *SHAPE)
    generator = keras.random.SeedGenerator(seed)

    inside = to_numpy(ball.sample(shape, epsilon, generator))
    border = to_numpy(ball.sample_border(shape, epsilon, generator))

    assert (_sizes(inside, norm) <= epsilon * (1 + 1e-5)).all()
    np.testing.assert_allclose(_sizes(border, norm), epsilon, rtol=1e-4)
