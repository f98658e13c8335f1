"""Objectives by name."""

from collections.abc import Callable
from typing import Any

import keras

from ..._typing import Tensor
from .objective import FunctionObjective
from .objective import Objective

_NAMED = {}


def named(name):
    """Class decorator: makes an objective known under a name."""

    def remember(cls):
        _NAMED[name] = cls
        return cls

    return remember


def get(
    objective: Objective | Callable[[Tensor, Tensor], Tensor] | str,
) -> Objective:
    """Returns an objective.

    Args:
        objective: An `Objective`, the name of one, its serialized form, or a
            function `(logits, labels) -> values`, one value an image.

    Example:

    ```python
    objective = kad.attacks.objectives.get("margin")
    assert isinstance(objective, kad.attacks.objectives.Margin)
    ```
    """
    if isinstance(objective, dict):
        # What it gives may be a dict again, and is refused below.
        objective = keras.saving.deserialize_keras_object(objective)
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, str) and objective in _NAMED:
        return _NAMED[objective]()
    if isinstance(objective, type):
        raise ValueError(
            "`objective` should be an object, not its class: "
            f"`{objective.__name__}(...)`. Received: objective={objective!r}"
        )
    if callable(objective):
        return FunctionObjective(objective)
    raise ValueError(
        f"`objective` should be one of {sorted(_NAMED)}, an `Objective`, or a "
        "function of logits and labels that returns a value for each image. "
        f"Received: objective={objective!r}"
    )


def serialize(objective: Any) -> Any:
    """The name of an objective with its defaults, or else its whole form.

    Example:

    ```python
    objective = kad.attacks.objectives.DLR()
    assert kad.attacks.objectives.serialize(objective) == "dlr"
    ```
    """
    for name, cls in _NAMED.items():
        if type(objective) is cls:
            if objective.get_config() == cls().get_config():
                return name
    return keras.saving.serialize_keras_object(objective)
