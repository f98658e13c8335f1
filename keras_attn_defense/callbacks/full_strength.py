"""A scope for attacks that run between epochs of training."""

import contextlib

import numpy as np
from keras import ops


@contextlib.contextmanager
def at_full_strength(attacks):
    """Sets attacks to full strength, and restores their state afterwards.

    An attack may be the one that the model trains with: its seeds and the
    strength that a schedule gave it do not change.

    Args:
        attacks: A list of attacks.
    """
    variables = [variable for each in attacks for variable in each.variables]
    before = [np.array(ops.convert_to_numpy(v.value)) for v in variables]
    try:
        for attack in attacks:
            attack.strength.assign(1.0)
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
