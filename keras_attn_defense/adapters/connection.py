"""The attacks of another tool on the last model they met."""

import math
import sys

from .differentiable_logits import DifferentiableLogits


class Connection:
    """Adapts a model once, and builds an attack once for each radius.

    A plain object, so that Keras does not track the model.

    Args:
        connect: As `ForeignAttack` takes it.
    """

    def __init__(self, connect):
        #: The settings of the first attack that was built; None before.
        self.description = None
        self._connect = connect
        self._key = None

    def __call__(self, wanted, victim, value_range, epsilon):
        """The logits that the attack asks for, and the attack as a function.

        Args:
            wanted: The `ForeignAttack`.
            victim: A classifier view.
            value_range: `(lower, upper)` bounds of the images.
            epsilon: The radius, or None.
        """
        key = victim.identity, value_range
        if self._key != key:
            self._key = key
            self._logits = DifferentiableLogits(victim)
            self._build = self._connect(self._logits, value_range)
            self._attacks = {}
        if epsilon not in self._attacks:
            built, run = self._build(epsilon)
            _check(wanted, built)
            self._attacks[epsilon] = run
            self.description = self.description or describe(built)
        return self._logits, self._attacks[epsilon]


def describe(built):
    """A dict of plain values that tells one attack from another.

    Args:
        built: An attack of a tool: an object, a method of one, or a function.
    """
    built = getattr(built, "__self__", built)
    named = built if hasattr(built, "__qualname__") else type(built)
    package = named.__module__.partition(".")[0]
    settings = {}
    for key, value in getattr(built, "__dict__", {}).items():
        if isinstance(value, float) and not math.isfinite(value):
            value = str(value)  # JSON has no infinity.
        if value is None or isinstance(value, (bool, int, float, str)):
            settings[key.strip("_")] = value
    return {
        "attack": f"{named.__module__}.{named.__qualname__}",
        "version": getattr(sys.modules.get(package), "__version__", None),
        "settings": settings,
    }


def _check(wanted, built):
    """Refuses settings that would make an attack look weak.

    Args:
        wanted: The `ForeignAttack`.
        built: The attack of a tool.
    """
    built = getattr(built, "__self__", built)
    # torchattacks can choose target classes by itself; that is fine.
    by_label = getattr(built, "attack_mode", "targeted(label)")
    if getattr(built, "targeted", False) and by_label == "targeted(label)":
        raise ValueError(
            f"The attack '{wanted.name}' is targeted: it moves images to the "
            "classes given, which here are the true ones. Build it untargeted."
        )
    norm = str(getattr(built, "norm", wanted.norm)).lower()
    norm = norm if norm.startswith("l") else f"l{norm}"
    if norm != wanted.norm:
        raise ValueError(
            f"The attack '{wanted.name}' was built for the norm '{norm}', but "
            f"norm='{wanted.norm}', whose ball is another. Pass norm='{norm}' "
            "to the adapter, or build the attack for the other norm."
        )
