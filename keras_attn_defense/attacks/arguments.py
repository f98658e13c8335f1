"""Checks of the arguments that all attacks share."""


def check_epsilon(epsilon):
    """Returns a number, a pair of numbers or None, none of them negative."""
    if epsilon is None:
        return None
    if isinstance(epsilon, (tuple, list)):
        bounds = tuple(_number("epsilon", value) for value in epsilon)
        if len(bounds) != 2 or bounds[0] > bounds[1]:
            raise ValueError(
                "`epsilon` given as a range should be (low, high) with low <= "
                f"high. Received: epsilon={epsilon}"
            )
        return bounds
    return _number("epsilon", epsilon)


def check_positive(name, value):
    """Returns a non-negative float, or None."""
    return None if value is None else _number(name, value)


def check_count(name, value):
    """Returns an integer of at least one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"`{name}` should be a whole number of at least 1. Received: "
            f"{name}={value!r}"
        )
    return value


def check_norm(attack, norms):
    """Raises a `ValueError` if an attack's norm is none of `norms`."""
    if attack.norm not in norms:
        raise ValueError(
            f"{type(attack).__name__} minimises the norm "
            f"{' or '.join(repr(norm) for norm in norms)}. Received: "
            f"norm={attack.norm!r}"
        )


def _number(name, value):
    if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(
            f"`{name}` should be a number of at least 0, in the units of the "
            f"images. Received: {name}={value!r}"
        )
    return float(value)
