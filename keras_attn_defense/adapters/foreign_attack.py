"""Attacks of other libraries with the interface of `kad.attacks`."""

import math
import sys
from collections.abc import Callable
from typing import Any
from typing import Never

import numpy as np
from keras import ops

from .._registration import register
from .._typing import Model
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import Attack
from ..attacks.engine.attack_result import AttackResult
from ..classifier import ClassifierView
from ..classifier import as_classifier
from ..data import padded_batches
from .differentiable_logits import DifferentiableLogits
from .random_numbers import seeded


@register
class ForeignAttack(Attack):
    """An attack of another library, or a function, with our interface.

    `from_art`, `from_foolbox`, `from_torch` and `from_function` return it, and
    `kad.evaluate_robustness` takes it together with the attacks of this
    package. The evaluation predicts the classes of its images itself, and
    raises an error if an image leaves the ball or the value range. Batches
    have few different sizes: the last may repeat an image to be full. The seed
    determines the numbers that the library draws from the global generators of
    Python, NumPy and the backend.

    Args:
        connect: Function of the model's logits (`DifferentiableLogits`) and a
            value range, called once for each model. It returns a function of
            the radius, called once for each radius, which returns the attack
            of the library, for its settings, and a function from images and
            labels to adversarial images, in NumPy.
        epsilon: Radius of the ball, in the units of the images; see
            `kad.attacks.Attack`.
        norm: `"linf"`, `"l2"` or `"l1"`.
        minimal: Whether the attack looks for the smallest perturbation; its
            radius is then None.
        black_box: Whether the attack uses only predictions of the model.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attacked model's `value_range`, or else `(0.0, 1.0)`.
        seed: Integer seed of the attack's random numbers.
        name: The attack's name in a report.

    Example:

    ```python
    import foolbox

    attack = kad.adapters.from_foolbox(
        foolbox.attacks.LinfPGD(steps=20), 8 / 255
    )
    assert isinstance(attack, kad.adapters.ForeignAttack)
    result = attack.run(model, x, y)
    ```
    """

    def __init__(
        self,
        connect: Callable[..., Any],
        epsilon: float | None = None,
        *,
        norm: Norm = "linf",
        minimal: bool = False,
        black_box: bool = False,
        value_range: ValueRange | None = None,
        seed: int | None = None,
        name: str = "foreign",
    ) -> None:
        super().__init__(
            epsilon, norm=norm, value_range=value_range, seed=seed, name=name
        )
        self.minimal = minimal
        self.black_box = black_box
        self.connect = connect
        self._connection = Connection(connect)

    @property
    def label(self) -> str:
        return self.name

    def check(self, model: Model) -> None:
        self._connected(as_classifier(model), self.resolve_value_range(model))

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Never:
        raise ValueError(
            f"The attack '{self.name}' belongs to another library and cannot "
            "be part of a training step or of other compiled code. Train with "
            "an attack of `kad.attacks`, and evaluate with this one."
        )

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
    ) -> AttackResult:
        logits, attack = self._connected(victim, value_range)
        before = logits.forward_passes, logits.backward_passes
        crafted, attacked = np.empty_like(images), 0
        with seeded(self.seed_generator):
            for rows, batch in padded_batches(images, labels, size=batch_size):
                x, y = (np.asarray(ops.convert_to_numpy(t)) for t in batch)
                x_adv = np.asarray(ops.convert_to_numpy(attack(x, y)))
                _check_shape(self.name, x_adv, x)
                # A minimal attack may go further than the radius.
                if self.minimal and self.epsilon is not None:
                    x_adv = self._projected(x_adv, x, value_range)
                crafted[rows] = x_adv[: rows.stop - rows.start]
                attacked += len(x)
        after = logits.forward_passes, logits.backward_passes
        # The mean, as the passes of single images are not known.
        passes = np.subtract(after, before) / attacked
        return AttackResult(
            crafted, *(np.full(len(images), each) for each in passes)
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {
            **{key: config[key] for key in ("epsilon", "norm", "value_range")},
            **{key: config[key] for key in ("seed", "name")},
            "minimal": self.minimal,
            "black_box": self.black_box,
            "tool": self._connection.description,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Never:
        raise ValueError(
            f"The attack '{config.get('name')}' runs code of another library, "
            "which is not saved. Build it again with `kad.adapters`."
        )

    def _connected(self, victim, value_range):
        """Returns the adapted logits and the attack as a function."""
        epsilon = None if self.minimal else self._exact_radius(value_range)
        return self._connection(self, victim, value_range, epsilon)

    def _exact_radius(self, value_range):
        """Returns the radius as a Python float, not rounded to float32."""
        lower, upper = value_range
        epsilon = self.epsilon
        if epsilon is None:
            epsilon = self.ball.default_epsilon * (upper - lower)
        return epsilon * float(ops.convert_to_numpy(self.strength))

    def _projected(self, x_adv, x, value_range):
        """Projects images back into the ball."""
        x, x_adv = ops.convert_to_tensor(x), ops.convert_to_tensor(x_adv)
        radius = self.radius(value_range)
        project = self.ball.projection(x, radius, value_range)
        return ops.convert_to_numpy(project(x_adv))


def check_known(known, given, source):
    """Checks that no argument contradicts a known value.

    Args:
        known: A dict of arguments that were read from `source`.
        given: A dict of the arguments that the user passed.
        source: The source in words.

    Raises:
        ValueError: If an argument does.
    """
    for name, value in known.items():
        if name in given and given[name] != value:
            raise ValueError(
                f"`{name}` is read from {source}: it is {value!r}. Received: "
                f"{name}={given[name]!r}. Leave the argument out, or choose "
                "another attack."
            )


def _check_shape(name, x_adv, x):
    if x_adv.shape != x.shape:
        raise ValueError(
            f"The attack '{name}' returned images of shape {x_adv.shape} for "
            f"images of shape {x.shape}."
        )


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

    def __reduce__(self):
        return Connection, (self._connect,)

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
