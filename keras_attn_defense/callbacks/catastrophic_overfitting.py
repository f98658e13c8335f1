"""A callback that notices when one-step training stops defending."""

import warnings
from typing import Any

import keras

from .._arguments import check_count
from .._arguments import check_number
from .._typing import Norm
from .._typing import Tensor
from ..attacks import FGSM
from ..attacks import PGD
from ..models import AttentionDefendedModel
from ._support import in_memory
from .robustness_evaluation import RobustnessEvaluation

_ACTIONS = ("warn", "stop", "restore")
_ONE_STEP, _STEPS = "val_fgsm_accuracy", "val_pgd_accuracy"


class CatastrophicOverfitting(keras.callbacks.Callback):
    """Notices when a network withstands one step, but several no longer.

    Training on one-step attacks can collapse within an epoch: accuracy under
    `FGSM` rises, that under `PGD` falls to nothing, and no loss shows it. This
    callback measures both on the same few images after each epoch, and logs
    them as `val_fgsm_accuracy` and `val_pgd_accuracy`.

    Args:
        x: Some hundred images `(num, height, width, channels)` that are not
            trained on, or a data set of `(images, labels)` batches.
        y: Labels, if `x` are images: class indices or one-hot.
        epsilon: The radius, in the units of the images. None takes that of an
            `AttentionDefendedModel`'s training attack, or else 8/255 of the
            value range (`"l2"`: 0.5 times the range).
        fall: By how much accuracy under PGD has to fall below its best value
            to count as a collapse, while that under FGSM is at least what it
            was then; from 0 to 1.
        action: `"warn"` warns, `"stop"` also stops the training, `"restore"`
            also restores the weights of the best epoch.
        steps: Steps of `PGD`, from a random start.
        limit: Number of images to use, the first ones. None uses all.
        batch_size: Number of images in one call of the model.

    Attributes:
        collapsed_epoch: The epoch of the first collapse, counted from 0, or
            None.
        best_epoch: The epoch of the best accuracy under PGD.

    Raises:
        ValueError: If an argument does not have the expected form.

    Example:

    ```python
    watch = kad.callbacks.CatastrophicOverfitting(x, y, action="restore")
    defended = kad.AttentionDefendedModel(model, attack=kad.attacks.FGSM())
    defended.fit(x, y, epochs=2, callbacks=[watch])
    ```

    Reference:
        Fast is better than free: Revisiting adversarial training,
        [Wong et al., 2020](https://arxiv.org/abs/2001.03994), section 5.
    """

    def __init__(
        self,
        x: Any,
        y: Tensor | None = None,
        epsilon: float | None = None,
        *,
        fall: float = 0.1,
        action: str = "warn",
        steps: int = 10,
        limit: int | None = 256,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if action not in _ACTIONS:
            raise ValueError(
                f"`action` should be one of {_ACTIONS}. Received: "
                f"action={action!r}"
            )
        self.epsilon = epsilon
        self.fall = check_number("fall", fall, 0.0, 1.0, above=True)
        self.action = action
        self.steps = check_count("steps", steps)
        self.limit = limit
        self.batch_size = check_count("batch_size", batch_size)
        self._images, self._labels = in_memory(x, y, limit)
        self._measurements: list[RobustnessEvaluation] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.collapsed_epoch: int | None = None
        self.best_epoch: int | None = None
        self._best = {_ONE_STEP: 0.0, _STEPS: -1.0}
        self._best_weights = None
        norm: Norm = "linf"
        epsilon = self.epsilon
        if isinstance(self.model, AttentionDefendedModel):
            trained_on = self.model.attack
            norm = trained_on.norm
            if epsilon is None:
                epsilon = trained_on.epsilon
        attacks = {
            _ONE_STEP: FGSM(norm=norm),
            _STEPS: PGD(steps=self.steps, norm=norm, seed=0),
        }
        self._measurements = [
            RobustnessEvaluation(
                self._images,
                self._labels,
                attack,
                epsilon,
                norm=norm,
                batch_size=self.batch_size,
                name=name,
            )
            for name, attack in attacks.items()
        ]
        # They are callbacks, but not in the list of `fit`: their methods are
        # called from those of this one.
        for measurement in self._measurements:
            measurement.set_model(self.model)
            measurement.set_params(self.params)
            measurement.on_train_begin()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for measurement in self._measurements:
            measurement.on_epoch_begin(epoch)
            measurement.on_epoch_end(epoch, logs)
        found = {name: logs[name] for name in self._best}
        if found[_STEPS] > self._best[_STEPS]:
            self.best_epoch, self._best = epoch, found
            if self.action == "restore":
                self._best_weights = self.model.get_weights()
        elif self.collapsed_epoch is None and self._collapsed(found):
            self.collapsed_epoch = epoch
            self._act(found)

    def on_train_end(self, logs: Any = None) -> None:
        if self.collapsed_epoch is not None and self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def _collapsed(self, found):
        # A network that gets worse under both attacks may have learned too much
        # or nothing. In a collapse, only the attack of several steps finds
        # more.
        fallen = self._best[_STEPS] - found[_STEPS]
        return fallen >= self.fall and found[_ONE_STEP] >= self._best[_ONE_STEP]

    def _act(self, found):
        self.model.stop_training |= self.action != "warn"
        consequence = {
            "warn": "Training goes on",
            "stop": "Training stops",
            "restore": "Training stops, and the model gets the weights of "
            f"epoch {self.best_epoch + 1}",
        }[self.action]
        warnings.warn(
            f"Catastrophic overfitting in epoch {self.collapsed_epoch + 1}: "
            f"since epoch {self.best_epoch + 1}, accuracy under PGD went from "
            f"{self._best[_STEPS]:.1%} to {found[_STEPS]:.1%}, under FGSM from "
            f"{self._best[_ONE_STEP]:.1%} to {found[_ONE_STEP]:.1%}. The "
            "network withstands the one step that it is trained on, and no "
            f'others. {consequence}. `from_preset("grad-align")` and '
            '`"n-fgsm"` prevent it, as attacks of several steps do.',
            stacklevel=2,
        )
