"""Schedules of a weight over the steps of an attack."""

import math

import keras
from keras import ops


def constant(step, steps):
    """One, all the time."""
    return ops.ones_like(step)


def linear(step, steps):
    """From one down to zero, at a constant pace."""
    return 1.0 - step / max(steps - 1, 1)


def cosine(step, steps):
    """From one down to zero along half of a cosine."""
    return (1.0 + ops.cos(math.pi * step / max(steps - 1, 1))) / 2.0


def switched(step, steps):
    """One in the first half of the steps, zero in the second."""
    return ops.cast(step < steps / 2, "float32")


def alternating(step, steps):
    """One at the first step, zero at the second, and so on."""
    return 1.0 - step % 2


def annealed(step, steps, first, share):
    """From `first` towards `share` of it, along half of a cosine.

    Args:
        step: Number of the step, from 0, a tensor.
        steps: Number of all steps; the share is what comes after the last.
        first: The value at the first step.
        share: What is left of it.
    """
    angle = math.pi * ops.cast(step, "float32") / steps
    return first * (share + (1.0 - share) * (1.0 + ops.cos(angle)) / 2.0)


_NAMED = {
    schedule.__name__: schedule
    for schedule in (constant, linear, cosine, switched, alternating)
}


def get(schedule):
    """Returns a schedule.

    Args:
        schedule: `"constant"`, `"linear"`, `"cosine"`, `"switched"` or
            `"alternating"`; a function of the number of the step, a scalar
            tensor from 0, and of the number of all steps, an integer; or the
            serialized form of one.
    """
    if isinstance(schedule, dict):
        return keras.saving.deserialize_keras_object(schedule)
    if callable(schedule):
        return schedule
    if isinstance(schedule, str) and schedule in _NAMED:
        return _NAMED[schedule]
    raise ValueError(
        f"`schedule` should be one of {sorted(_NAMED)}, or a function of the "
        "number of the step and of all steps. Received: "
        f"schedule={schedule!r}"
    )


def serialize(schedule):
    """The name of a schedule, or the serialized form of a user's own."""
    if schedule in _NAMED.values():
        return schedule.__name__
    return keras.saving.serialize_keras_object(schedule)
