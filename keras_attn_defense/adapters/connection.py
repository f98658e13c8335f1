"""Attacks of another library on the model that was attacked last."""

import math
import sys

from .differentiable_logits import DifferentiableLogits


class Connection:
    """Adapts a model once, and builds an attack once for each radius.

    It is a plain object, so that Keras does not track the model.

    Args:
        connect: The function of that name of `ForeignAttack`.
    """

    def __init__(self, connect):
        #: The settings of the first attack that was built, or None.
        self.description = None
        self._connect = connect
        self._key = None

    def __call__(self, foreign, victim, value_range, epsilon):
        """Returns the adapted logits and the attack as a function.

        Args:
            foreign: The `ForeignAttack`.
            victim: A classifier view.
            value_range: `(lower, upper)` bounds of the images.
            epsilon: The radius, or None.
        """
        # Another model or range starts from the beginning.
        key = victim.identity, value_range
        if self._key != key:
            self._key = key
            self._logits = DifferentiableLogits(victim)
            self._build = self._connect(self._logits, value_range)
            self._attacks = {}
        if epsilon not in self._attacks:
            built, run = self._build(epsilon)
            _check(foreign, built)
            self._attacks[epsilon] = run
            self.description = self.description or describe(built)
        return self._logits, self._attacks[epsilon]


def describe(built):
    """Describes an attack in plain values, to tell it from others.

    Args:
        built: An attack of a library: an object, a method of one, or a
            function.
    """
    # Of a method, the object that it belongs to.
    built = getattr(built, "__self__", built)
    definition = built if hasattr(built, "__qualname__") else type(built)
    package = definition.__module__.partition(".")[0]
    settings = {}
    for key, value in getattr(built, "__dict__", {}).items():
        if isinstance(value, float) and not math.isfinite(value):
            value = str(value)  # JSON cannot hold infinity.
        if value is None or isinstance(value, (bool, int, float, str)):
            settings[key.strip("_")] = value
    return {
        "attack": f"{definition.__module__}.{definition.__qualname__}",
        "version": getattr(sys.modules.get(package), "__version__", None),
        "settings": settings,
    }


def _check(foreign, built):
    """Checks for settings that would make an attack look weak.

    Args:
        foreign: The `ForeignAttack`.
        built: The attack of the library.

    Raises:
        ValueError: If the attack is targeted, or has another norm.
    """
    built = getattr(built, "__self__", built)
    # torchattacks can choose the target classes itself, which is allowed.
    mode = getattr(built, "attack_mode", "targeted(label)")
    if getattr(built, "targeted", False) and mode == "targeted(label)":
        raise ValueError(
            f"The attack '{foreign.name}' is targeted: it moves images toward "
            "the given classes, which here are the true ones. Build it "
            "untargeted."
        )
    norm = str(getattr(built, "norm", foreign.norm)).lower()
    norm = norm if norm.startswith("l") else f"l{norm}"
    if norm != foreign.norm:
        raise ValueError(
            f"The attack '{foreign.name}' was built for the norm '{norm}', but "
            f"the adapter has norm='{foreign.norm}'. Pass norm='{norm}' to the "
            "adapter, or build the attack for its norm."
        )
