"""The attacks that the versions of AutoAttack consist of."""

import functools
import warnings
from collections.abc import Callable

import keras

from .apgd import APGD
from .attack import Attack
from .fab import FAB
from .objectives import DLR
from .objectives import ExpectationOverTransformation
from .objectives import Margin
from .objectives import TargetedDLR
from .objectives import TargetedMargin
from .square import Square

# The components by their published names.
COMPONENTS: dict[str, Callable[..., Attack]] = {
    "apgd-ce": functools.partial(APGD, objective="cross_entropy"),
    "apgd-dlr": functools.partial(APGD, objective="dlr"),
    "apgd-t": functools.partial(APGD, objective="targeted_dlr"),
    "fab": functools.partial(FAB, num_targets=None),
    "fab-t": FAB,
    "square": Square,
}


def check(version):
    """Returns a version's name, or a list of component names and attacks."""
    if isinstance(version, str) and version in _VERSIONS:
        return version
    if isinstance(version, (list, tuple)) and version:
        parts = list(version)
        if all(isinstance(p, Attack) or p in COMPONENTS for p in parts):
            return parts
    raise ValueError(
        f"`version` should be one of {sorted(_VERSIONS)}, or a list of "
        f"attacks and of names among {sorted(COMPONENTS)}. Received: "
        f"version={version!r}"
    )


def build(version, num_classes, norm, value_range):
    """The attacks of a version, by name and in order.

    Args:
        version: What `check` returned.
        num_classes: Number of classes of the model.
        norm: `"linf"`, `"l2"` or `"l1"`.
        value_range: `(lower, upper)` bounds of the images, or None.
    """
    if num_classes < 4:
        warnings.warn(
            f"AutoAttack meets a model of {num_classes} classes: the targeted "
            "difference of logits ratio needs four and the plain one three. "
            "Margins of logits take their place.",
            stacklevel=3,
        )
    common = {"norm": norm, "value_range": value_range}
    if isinstance(version, str):
        settings = _VERSIONS[version](num_classes, norm)
    else:
        settings = {part: {} for part in version}
    adapted = _adapted(num_classes)
    return {
        _name(part): part
        if isinstance(part, Attack)
        else COMPONENTS[part](**{**common, **adapted.get(part, {}), **its})
        for part, its in settings.items()
    }


def serialize(version):
    """A version that JSON can hold."""
    if isinstance(version, str):
        return version
    serialized = keras.saving.serialize_keras_object
    return [p if isinstance(p, str) else serialized(p) for p in version]


def deserialize(version):
    """Restores what was given to `serialize`."""
    if isinstance(version, str):
        return version
    deserialized = keras.saving.deserialize_keras_object
    return [deserialized(p) if isinstance(p, dict) else p for p in version]


def _standard(num_classes, norm):
    if norm == "l1":  # Published with more starts and fewer targets.
        return {
            "apgd-ce": {"restarts": 5},
            "apgd-t": {"objective": _targeted(num_classes, 5)},
            "fab-t": {},
            "square": {},
        }
    return {"apgd-ce": {}, "apgd-t": {}, "fab-t": {}, "square": {}}


def _plus(num_classes, norm):
    return {
        "apgd-ce": {"restarts": 5},
        "apgd-dlr": {"restarts": 5},
        "fab": {"restarts": 5},
        "square": {},
        "apgd-t": {},
        "fab-t": {},
    }


def _rand(num_classes, norm):
    ratio = _ratio(num_classes)
    return {
        "apgd-ce": {"objective": ExpectationOverTransformation(samples=20)},
        "apgd-dlr": {
            "objective": ExpectationOverTransformation(ratio, samples=20)
        },
    }


_VERSIONS = {"standard": _standard, "plus": _plus, "rand": _rand}


def _adapted(num_classes):
    """Settings of the components that depend on the number of classes."""
    return {
        "apgd-dlr": {"objective": _ratio(num_classes)},
        "apgd-t": {"objective": _targeted(num_classes, 9)},
    }


def _ratio(num_classes):
    return DLR() if num_classes >= DLR.min_classes else Margin()


def _targeted(num_classes, targets):
    if num_classes >= TargetedDLR.min_classes:
        return TargetedDLR(targets)
    return TargetedMargin(targets)


def _name(part):
    return part if isinstance(part, str) else part.name
