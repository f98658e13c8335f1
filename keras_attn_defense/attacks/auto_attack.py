"""The ensemble of attacks that robustness is reported with."""

from collections.abc import Sequence
from typing import Any
from typing import Self

import numpy as np
from keras import ops

from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from ..classifier import CompiledFunctions
from ..classifier import Unseen
from ..classifier import as_classifier
from ..data import padded_batches
from . import auto_attack_versions as versions
from .attack import Attack
from .engine.attack_result import AttackResult
from .engine.task import Task


@register
class AutoAttack(Attack):
    """AutoAttack: attacks without parameters to tune, one after another.

    Each attacks only the images that still stand, from the clean image. The
    versions and their settings are those published:

    - `"standard"`: APGD-CE, APGD-T, FAB-T, Square.
    - `"plus"`: APGD-CE, APGD-DLR, FAB, Square, APGD-T, FAB-T; five restarts.
    - `"rand"`, for models that are random in inference: APGD-CE and APGD-DLR,
      each gradient the mean of 20.

    With three classes or two, the ratios of logits that need more are replaced
    by margins, with a warning.

    Args:
        epsilon: Radius of the ball, in the units of the images. None means
            8/255 of the value range, 0.5 times it in `"l2"`, 12 times in
            `"l1"`.
        norm: `"linf"`, `"l2"` or `"l1"`.
        version: `"standard"`, `"plus"`, `"rand"`, or a list of names (see
            `kad.attacks.get`) and attacks.
        value_range: `(lower, upper)` bounds of the images. None takes the
            attacked model's `value_range`, or else `(0.0, 1.0)`.
        seed: Integer seed.
        name: Name of the layer.

    Example:

    ```python
    x_adv = kad.attacks.AutoAttack(epsilon=0.3)(model, x[:2], y[:2])
    ```

    Reference:
        [Croce and Hein, 2020](https://arxiv.org/abs/2003.01690), section 6;
        for `"l1"`, [Croce and Hein, 2021](https://arxiv.org/abs/2103.01208).
    """

    def __init__(
        self,
        epsilon: float | None = None,
        *,
        norm: Norm = "linf",
        version: str | Sequence[Attack | str] = "standard",
        value_range: ValueRange | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            epsilon,
            norm=norm,
            value_range=value_range,
            seed=seed,
            name=name,
        )
        self.version = versions.check(version)
        self._parts = _Parts()
        self._compiled = CompiledFunctions(_functions)

    def components(self, num_classes: int) -> dict[str, Attack]:
        """The attacks of this version, by name and in order.

        Args:
            num_classes: Number of classes of the model.
        """
        parts = self._parts.get(self, num_classes)
        return {
            name: part.with_epsilon(self.epsilon)
            for name, part in parts.items()
        }

    def check(self, model: Any) -> None:
        victim = as_classifier(model)
        if victim.num_classes is not None:
            for part in self.components(victim.num_classes).values():
                part.check(victim)

    def perturb(
        self,
        victim: ClassifierView,
        images: Tensor,
        labels: Tensor,
        value_range: ValueRange,
        start: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        raise ValueError(
            "AutoAttack decides between its attacks which images still stand, "
            "which a compiled training step cannot. Train with `PGD` or "
            "`APGD`, and evaluate with `AutoAttack`."
        )

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        # The cascade: what one attack has fooled is not attacked again. Each
        # success is judged by a prediction of its own, not by the attack.
        success = self._compiled(victim, value_range)["success"]
        crafted = images.copy()
        passes = np.zeros((2, len(images)), "int64")
        passes[0] += 1
        standing = ~_judged(success, images, labels, batch_size)
        epsilon = float(self.radius(value_range))
        for part in self.components(victim.num_classes).values():
            rows = np.flatnonzero(standing)
            if not len(rows):
                break
            # As a number: with None, FAB would look for the smallest
            # perturbation rather than for one of this radius.
            part = part.with_epsilon(epsilon)
            part.reseed(_integer(self.seed_generator))
            result = part.run_batches(
                victim, value_range, images[rows], labels[rows], batch_size
            )
            fell = _judged(success, result.images, labels[rows], batch_size)
            # Those that stand keep what came closest last.
            crafted[rows] = result.images
            standing[rows] = ~fell
            passes[:, rows] += [
                result.forward_passes + 1,
                result.backward_passes,
            ]
        return AttackResult(crafted, *passes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["targeted"], config["restarts"]
        version = versions.serialize(self.version)
        return {**config, "version": version}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        version = versions.deserialize(config["version"])
        return cls(**{**config, "version": version})


class _Parts(Unseen):
    """The attacks for the last number of classes; not tracked by Keras."""

    def __init__(self):
        self._num_classes = self._parts = None

    def get(self, attack, num_classes):
        if self._num_classes != num_classes:
            self._num_classes = num_classes
            self._parts = versions.build(
                attack.version, num_classes, attack.norm, attack.value_range
            )
        return self._parts


def _functions(victim, value_range):
    def success(images, labels):
        task = Task(victim, images, labels, None, value_range)
        return task.is_success(victim.logits(images))

    return {"success": success}


def _judged(success, images, labels, batch_size):
    """Tells which images the model misclassifies, in NumPy."""
    judged = np.empty(len(images), bool)
    for rows, batch in padded_batches(images, labels, size=batch_size):
        found = ops.convert_to_numpy(success(*batch))
        judged[rows] = found[: len(judged[rows])]
    return judged


def _integer(seed_generator):
    """A seed for another generator."""
    state = ops.convert_to_numpy(seed_generator.next()).astype("uint32")
    # Halved, as seeds have to be less than 2**31 (`check_seed`).
    return np.random.SeedSequence(state.tolist()).generate_state(1)[0] // 2
