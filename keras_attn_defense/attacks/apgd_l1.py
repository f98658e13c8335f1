"""Auto-PGD in the l1 norm: sparse steps inside a shrinking ball.

    for radius in 3 * epsilon, 2 * epsilon, epsilon:
        x = the best point so far, brought into that ball
        step_size = radius; share = changed values of x / 1.5
        for each step of the phase:
            x = project(x + step_size * signs of the largest `share` of values)
            now and then:
                if the best point changes clearly fewer values than before:
                    x = best; step_size = radius
                else: step_size = step_size / 1.5, at least radius / 10
                share = changed values of the best point / 1.5

Only points inside the last ball count as successes.
"""

import math

import keras
import numpy as np
from keras import ops

from .perturbation_sets.l1_ball import sparse_sign
from .search_attack import select

# The radius of each phase, in multiples of the last; all but the last phase
# have this share of the steps.
_RADII = (3.0, 2.0, 1.0)
_PHASE = 0.3
# How often a phase adapts its steps, as a share of its length.
_PERIOD = 0.04
# The step size begins at the radius and is divided by the one again and again,
# down to the radius divided by the other.
_DECREASE = 1.5
_SMALLEST = 10.0
# A step changes fewer values than the best point does, by this factor.
_SPARSER = 1.5
# With fewer values changed than this share of before, it starts again.
_NARROWED = 0.95


def total_steps(steps):
    """Counts the steps, with the two that only enter a smaller ball."""
    return steps + len(_RADII) - 1


def begin(attack, task):
    """Returns the state of a run; see `SearchAttack.begin`."""
    lower, upper = task.value_range
    # A radius for each image, `(batch,)`: the images of a batch are in
    # different phases.
    radius = _RADII[0] * task.epsilon * ops.ones(ops.shape(task.labels))
    # Noise as wide as the range lies far outside of the ball, so its projection
    # is sparse: it keeps the few largest values.
    noise = keras.random.normal(
        ops.shape(task.images), seed=attack.seed_generator
    )
    project = attack.ball.projection(task.images, radius, task.value_range)
    x = project(task.images + (upper - lower) * noise)
    reference = attack.objective.reference(task)
    values, gradient, logits = attack.evaluate(task, x, reference)
    inside = _is_inside(attack, task, x)
    found = task.is_success(logits) & inside
    return {
        **_phase_start(task, x, radius),
        **_as_best(x, values, gradient),
        "x": x,
        "gradient": gradient,
        "adversarial": ops.where(found[:, None, None, None], x, task.images),
        # Values of the larger balls say nothing about the last one.
        "score": ops.full_like(values, -float("inf")),
        "found": found,
        "reference": reference,
    }


def step(attack, task, state, count):
    """Returns the state after a step; see `SearchAttack.step`."""
    # What the step of each image is for, `(batch,)` each.
    factor, enters, adapts = (
        ops.take(ops.convert_to_tensor(row), count)
        for row in schedule(attack.steps)
    )
    # A step goes along the gradient, or it only enters the next ball: then
    # the best point is projected, and nothing else is done to it.
    radius = factor * task.epsilon
    project = attack.ball.projection(task.images, radius, task.value_range)
    # `direction` has l1 norm one, whatever its number of values.
    direction = sparse_sign(state["gradient"], state["share"])
    ahead = state["x"] + state["step_size"][:, None, None, None] * direction
    x = project(ops.where(enters[:, None, None, None], state["best"], ahead))
    values, gradient, logits = attack.evaluate(task, x, state["reference"])
    state = {**state, "x": x, "gradient": gradient}
    # Values in another ball cannot be compared: there, the best starts over.
    risen = {**state, **_as_best(x, values, gradient)}
    state = select(enters | (values > state["best_value"]), risen, state)
    state = select(enters, {**state, **_phase_start(task, x, radius)}, state)
    state = select(adapts, _adapted(task, state, radius), state)
    return _recorded(
        attack, task, state, x, task.is_success(logits), factor == 1.0
    )


def schedule(steps):
    """Lists what each step does, with one more row that is never used.

    Args:
        steps: Number of steps, without those that enter a smaller ball.

    Returns:
        The radius in multiples of epsilon, whether the step only enters that
        ball, and whether it is followed by an adaptation, in NumPy.
    """
    first = math.ceil(_PHASE * steps)
    second = min(first, steps - first)
    rows = []
    for factor, length in zip(
        _RADII, (first, second, steps - first - second), strict=True
    ):
        if rows:
            rows.append((factor, True, False))
        period = max(int(_PERIOD * length), 1)
        rows += [
            (factor, False, number % period == 0)
            for number in range(1, length + 1)
        ]
    # Rows become columns. The last row is there twice, for images that are
    # done: they look theirs up one step further.
    factors, enters, adapts = zip(*rows, rows[-1], strict=True)
    return np.array(factors, "float32"), np.array(enters), np.array(adapts)


def _as_best(x, values, gradient):
    return {"best": x, "best_value": values, "best_gradient": gradient}


def _phase_start(task, x, radius):
    """Sets the largest step size, and steps as sparse as the point."""
    changed = _changed(task, x)
    return {
        "step_size": radius,
        "changed": changed,
        "share": changed / _SPARSER,
    }


def _adapted(task, state, radius):
    """Takes large steps from the best point if it is sparser, or smaller."""
    changed = _changed(task, state["best"])
    # Fewer values changed than at the last adaptation: the search has found out
    # which of them matter, and spends large steps on those.
    narrowed = changed < _NARROWED * state["changed"]
    smaller = ops.maximum(state["step_size"] / _DECREASE, radius / _SMALLEST)
    state = {
        **state,
        "step_size": smaller,
        "changed": changed,
        "share": changed / _SPARSER,
    }
    back = {
        **state,
        "step_size": radius,
        "x": state["best"],
        "gradient": state["best_gradient"],
    }
    return select(narrowed, back, state)


def _recorded(attack, task, state, x, success, last):
    """Records what lies inside the ball of radius epsilon."""
    state = select(
        last,
        {
            **state,
            "adversarial": state["best"],
            "score": state["best_value"],
        },
        state,
    )
    # In the last phase every point lies inside the ball. An earlier one may lie
    # there by chance, and counts as well.
    found = success & (last | _is_inside(attack, task, x))
    return select(found, {**state, "adversarial": x, "found": found}, state)


def _is_inside(attack, task, x):
    lower, upper = task.value_range
    # With the margin for rounding that `projection` leaves.
    radius = attack.ball.margin(
        task.epsilon, ops.shape(x), max(abs(lower), abs(upper))
    )
    return attack.ball.norm(x - task.images) <= radius


def _changed(task, x):
    """The share of values that differ from the clean image."""
    return ops.mean(ops.cast(x != task.images, "float32"), axis=(1, 2, 3))
