"""Checks of the arguments that all attacks share."""

import numpy as np

from .._arguments import check_count
from .._arguments import check_number

_UNIT = "in the units of the images"


def check_epsilon(epsilon):
    """Returns a number, a pair of numbers or None, none of them negative."""
    if epsilon is None:
        return None
    if isinstance(epsilon, (tuple, list)):
        bounds = tuple(
            check_number("epsilon", value, unit=_UNIT) for value in epsilon
        )
        if len(bounds) != 2 or bounds[0] > bounds[1]:
            raise ValueError(
                "`epsilon` given as a range should be (low, high) with low <= "
                f"high. Received: epsilon={epsilon}"
            )
        return bounds
    return check_number("epsilon", epsilon, unit=_UNIT)


def check_step_size(step_size):
    """Returns a number above zero, or None."""
    if step_size is None:
        return None
    return check_number("step_size", step_size, above=True, unit=_UNIT)


def check_random_start(random_start):
    """Returns True, False, or a standard deviation above zero."""
    if isinstance(random_start, (bool, np.bool_)):
        return bool(random_start)
    return check_number("random_start", random_start, above=True, unit=_UNIT)


def check_seed(seed):
    """Returns an integer that seeds every backend, or None."""
    if seed is None:
        return None
    number = check_count("seed", seed, lowest=0)
    if number >= 2**31:
        raise ValueError(
            "`seed` should be less than 2**31, which is what every backend "
            f"takes. Received: seed={seed!r}"
        )
    return number


def check_norm(attack, norms):
    """Raises a `ValueError` if an attack's norm is not one of `norms`."""
    if attack.norm not in norms:
        raise ValueError(
            f"{type(attack).__name__} minimizes the norm "
            f"{' or '.join(repr(norm) for norm in norms)}. Received: "
            f"norm={attack.norm!r}"
        )


def check_targets(attack):
    """Raises a `ValueError` if an attack's objective knows no targets."""
    if attack.targeted and not attack.objective.uses_labels:
        raise ValueError(
            f"The objective {type(attack.objective).__name__} does not look at "
            "labels, so that the attack cannot be targeted. Use "
            "'cross_entropy' or 'margin'."
        )


def refuse_targeted(attack, reason):
    """Raises a `ValueError` if an attack is asked to reach given classes.

    Args:
        attack: The attack.
        reason: Why it cannot, and what can.
    """
    if attack.targeted:
        raise ValueError(f"{type(attack).__name__} {reason}")
