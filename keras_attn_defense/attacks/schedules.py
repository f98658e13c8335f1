"""How a weight changes over the steps of an attack."""

import math

import keras
from keras import ops


def constant(progress):
    """One, all the time."""
    return ops.ones_like(progress)


def linear(progress):
    """From one down to zero, at a constant pace."""
    return 1.0 - progress


def cosine(progress):
    """From one down to zero along half of a cosine."""
    return (1.0 + ops.cos(math.pi * progress)) / 2.0


def switched(progress):
    """One in the first half, zero in the second."""
    return ops.cast(progress < 0.5, "float32")


_NAMED = {
    schedule.__name__: schedule
    for schedule in (constant, linear, cosine, switched)
}


def get(schedule):
    """Returns a schedule.

    Args:
        schedule: `"constant"`, `"linear"`, `"cosine"` or `"switched"`; a
            function of the progress, a scalar tensor from 0 (first step) to 1
            (last step); or the serialized form of one.
    """
    if isinstance(schedule, dict):
        return keras.saving.deserialize_keras_object(schedule)
    if callable(schedule):
        return schedule
    if schedule in _NAMED:
        return _NAMED[schedule]
    raise ValueError(
        f"`schedule` should be one of {sorted(_NAMED)}, or a function of the "
        f"progress from 0 to 1. Received: schedule={schedule!r}"
    )


def serialize(schedule):
    """The name of a schedule, or the serialized form of a user's own."""
    if schedule in _NAMED.values():
        return schedule.__name__
    return keras.saving.serialize_keras_object(schedule)
