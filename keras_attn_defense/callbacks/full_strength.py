"""Attacks between epochs leave no trace in training."""

import contextlib

import numpy as np
from keras import ops


@contextlib.contextmanager
def at_full_strength(attacks):
    """A scope in which no schedule acts on attacks; they stay as they were.

    An attack may be the one that the model trains with.

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
