"""What attacks maximise: one value per image. A new objective goes here."""

import keras

from .cross_entropy import CrossEntropy as CrossEntropy
from .cross_entropy import cross_entropy as cross_entropy
from .dlr import DLR as DLR
from .dlr import dlr as dlr
from .dlr import targeted_dlr as targeted_dlr
from .function_objective import FunctionObjective as FunctionObjective
from .kl_divergence import KLDivergence as KLDivergence
from .margin import Margin as Margin
from .margin import margin as margin
from .objective import Objective as Objective
from .targeted import TargetedDLR as TargetedDLR
from .targeted import TargetedMargin as TargetedMargin

_NAMED = {
    "cross_entropy": CrossEntropy,
    "margin": Margin,
    "dlr": DLR,
    "kl_divergence": KLDivergence,
    "targeted_dlr": TargetedDLR,
    "targeted_margin": TargetedMargin,
}


def serialize(objective):
    """The name of an objective with its defaults, or else its whole form."""
    for name, cls in _NAMED.items():
        if type(objective) is cls:
            if objective.get_config() == cls().get_config():
                return name
    return keras.saving.serialize_keras_object(objective)


def get(objective):
    """Returns an objective.

    Args:
        objective: An `Objective`, the name of one, its serialized form, or a
            function `(logits, labels) -> values`, one value an image.
    """
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, dict):
        return keras.saving.deserialize_keras_object(objective)
    if objective in _NAMED:
        return _NAMED[objective]()
    if callable(objective):
        return FunctionObjective(objective)
    raise ValueError(
        f"`objective` should be one of {sorted(_NAMED)}, an `Objective`, or a "
        "function of logits and labels that returns a value for each image. "
        f"Received: objective={objective!r}"
    )
