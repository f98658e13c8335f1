"""Checks and defaults of the defended model's arguments."""

from ..attacks import PGD
from ..attacks import Attack
from ..attention import AttentionMask
from ..classifier import all_layers


def dtype_policy(base):
    """A policy that makes `compile` scale losses if any layer needs it."""
    half = any(
        layer.compute_dtype == "float16" for layer in [base, *all_layers(base)]
    )
    return "mixed_float16" if half else base.dtype_policy


def attack(attack, value_range):
    """Returns an attack whose bounds are those of the model."""
    if not isinstance(attack, Attack):
        raise ValueError(
            "Expected an attack, such as `kad.attacks.PGD(steps=7)`. Received: "
            f"{attack!r}"
        )
    _same_range(attack, attack.value_range, value_range)
    return attack


def pgd_like(attack):
    """The validation attack that belongs to a training attack."""
    epsilon = attack.epsilon
    return PGD(
        epsilon[1] if isinstance(epsilon, tuple) else epsilon,
        norm=attack.norm,
        value_range=attack.value_range,
    )


def mask(mask, value_range):
    """Returns a mask whose mid-grey is that of the model's images."""
    if mask is None:
        return AttentionMask(value_range=value_range)
    if mask.fill is None:
        _same_range(mask, mask.value_range, value_range)
    return mask


def weight(name, value):
    """Returns a non-negative float."""
    if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(
            f"`{name}` should be a number of at least 0; 0 switches the term "
            f"off. Received: {name}={value!r}"
        )
    return float(value)


def _same_range(part, its_range, value_range):
    if its_range not in (None, value_range):
        raise ValueError(
            f"{type(part).__name__} has value_range={its_range}, the model "
            f"value_range={value_range}. Give both the range of the images."
        )
