"""Run layers with weights and random states as constants."""

from typing import Any

import keras
from keras import ops


def frozen(variables: Any, draw: Any = None) -> Any:
    """A scope in which variables are constants and nothing is left behind.

    Layers that are random in inference would show an attack the same noise at
    every step, as their seeds are left alone. So inside of the scope each seed
    is ahead of its value, by a distance that depends on `draw`.

    Args:
        variables: All variables of the layers, states of seeds included.
        draw: A whole number, Python's or a scalar tensor. None leaves the
            seeds where they are.
    """
    mapping = [(v, ops.stop_gradient(v.value)) for v in variables]
    if draw is not None:
        seeds = filter(is_seed, variables)
        mapping += [(v, _advanced(v, draw)) for v in seeds]
    return keras.StatelessScope(mapping)


def is_seed(variable: Any) -> bool:
    """Tells whether a variable is the state of a `SeedGenerator`."""
    return variable.path.endswith("seed_generator_state")


def _advanced(seed, draw):
    # A state is a pair, the seed and a counter, which goes up by one with each
    # draw. A model may draw a few times in each pass: streams do not overlap.
    step = ops.convert_to_tensor([0, 1009], dtype=seed.dtype)
    return seed.value + step * ops.cast(draw + 1, seed.dtype)
