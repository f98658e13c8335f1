"""A callback that logs robust accuracy during training."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras

from .._arguments import check_count
from .._processes import from_first
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import Attack
from ..data import check_value_range
from ..evaluation.attack_entries import named_attacks
from ..evaluation.runner import EvaluationRunner
from ._support import Carried
from ._support import in_memory

_Attack = Attack | Callable[..., Any]


class RobustnessEvaluation(keras.callbacks.Callback):
    """Attacks the model between epochs and logs its robust accuracy.

    It works for any Keras classifier, `AttentionDefendedModel` included. Place
    it before callbacks that read its value: `RobustCheckpoint`,
    `keras.callbacks.ModelCheckpoint` and `EarlyStopping` (with `mode="max"`),
    `CSVLogger`, `TensorBoard`.

    It measures after the first epoch, after every `every`-th and after the
    last. In the epochs in between, the last value is logged again: `CSVLogger`
    writes only the logs of the first epoch, and `ModelCheckpoint` would save
    in each epoch without a value. `accuracies` has the measured values only.

    Images and random numbers are the same each time, so that epochs can be
    compared.

    Args:
        x: Images `(num, height, width, channels)`, or a data set of `(images,
            labels)` batches, which is read once and kept in memory.
        y: Labels, if `x` are images: class indices or one-hot.
        attacks: As in `evaluate_robustness`: the name of an attack (see
            `kad.attacks.get`), `"quick"`, `"autoattack"`, an attack, or a list
            or dict of several; an image counts as robust if all of them fail.
        epsilons: The radius, in the units of the images: a number, or a list
            of one. None takes that of the attacks, or else 8/255 of the value
            range (`"l2"`: 0.5 times the range, `"l1"`: 12 times the range).
        norm: `"linf"`, `"l2"` or `"l1"`.
        every: Number of epochs from one measurement to the next.
        limit: Number of images to use, the first ones. None uses all.
        batch_size: Number of images in one call of the model.
        value_range: `(lower, upper)` bounds of the images. None takes the
            model's `value_range`, or else `(0.0, 1.0)`.
        seed: Integer seed of the attacks.
        name: Name of the value in the logs. None means
            `val_robust_accuracy_<attack>`, with the names of all attacks and
            with `_` in place of `-`.
        verbose: `"auto"` or 1 for a progress bar, 2 for one line, 0 for
            silence.

    Attributes:
        accuracies: A dict of the measured values by epoch, counted from 0.

    Raises:
        ValueError: If arguments, images or labels do not have the expected
            form.

    Example:

    ```python
    robustness = kad.callbacks.RobustnessEvaluation(
        x, y, attacks="pgd", epsilons=8 / 255, every=2, limit=512
    )
    history = model.fit(x, y, epochs=2, callbacks=[robustness])
    history.history["val_robust_accuracy_pgd"]
    ```
    """

    def __init__(
        self,
        x: Any,
        y: Tensor | None = None,
        attacks: str
        | _Attack
        | Sequence[str | _Attack]
        | Mapping[str, str | _Attack] = "pgd",
        epsilons: float | Sequence[float] | None = None,
        *,
        norm: Norm = "linf",
        every: int = 1,
        limit: int | None = None,
        batch_size: int = 128,
        value_range: ValueRange | None = None,
        seed: int = 0,
        name: str | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.every = check_count("every", every)
        self.batch_size = check_count("batch_size", batch_size)
        self.value_range = value_range and check_value_range(value_range)
        self.seed = seed
        self.verbose = verbose
        self.attacks = named_attacks(attacks, norm, seed)
        self.epsilons = epsilons
        self.name = name or _name(attacks, self.attacks)
        self.accuracies = {}
        self._images, self._labels = in_memory(x, y, limit)
        self._runner = None

    def on_train_begin(self, logs: Any = None) -> None:
        self.accuracies = {}
        self._runner = None  # Attributes may have changed in between.
        self._epoch: int | None = None
        if self.model.built:  # Errors should come before training.
            self._prepare()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._is_due(epoch):
            self._measure(logs)
        else:
            # Other callbacks need a value in every epoch: repeat the last one.
            *_, last = self.accuracies.values()
            logs[self.name] = Carried(last)

    def on_train_end(self, logs: Any = None) -> None:
        # If another callback stopped training after this one had run, the last
        # epoch has not been measured yet.
        if self._epoch not in (None, *self.accuracies):
            self._measure(logs)

    def _is_due(self, epoch):
        """Tells whether an epoch is measured."""
        is_last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        is_first = not self.accuracies
        return is_first or is_last or (epoch + 1) % self.every == 0

    def _measure(self, logs):
        self._prepare()
        records = self._runner.run(self._blocks, len(self._images))
        (epsilon,) = self._runner.threat.epsilons
        accuracy = float(records.is_robust(epsilon).mean())
        # Processes decide by it together: none may have rounded otherwise.
        accuracy = from_first(self.model, lambda: accuracy)
        self.accuracies[self._epoch] = logs[self.name] = accuracy

    def _prepare(self):
        """Prepares the measurement for the model, once."""
        if self._runner is not None and self._runner.model is self.model:
            return
        self._runner = runner = EvaluationRunner(
            self.model,
            self.attacks,
            self.epsilons,
            norm=self.norm,
            value_range=self.value_range,
            batch_size=self.batch_size,
            seed=self.seed,
            verbose=self.verbose,
        )
        if len(runner.threat.epsilons) > 1:
            raise ValueError(
                "`epsilons` should be one number: each value in the logs "
                "belongs to one radius. Use one RobustnessEvaluation for each. "
                f"Received: epsilons={self.epsilons!r}"
            )
        # A single block: all images are in memory.
        size = len(self._images)
        self._blocks = list(runner.blocks(self._images, self._labels, size))
        _ = runner.entries  # Checks the attacks.


def _name(given, attacks):
    """Returns the usual name of the value in the logs."""
    label = given if isinstance(given, str) else "_".join(attacks)
    return "val_robust_accuracy_" + label.replace("-", "_")
