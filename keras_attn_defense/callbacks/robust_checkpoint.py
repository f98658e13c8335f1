"""A callback that saves the most robust epoch."""

from typing import Any

import keras

from .._processes import by_first
from .._typing import Path
from ._support import Carried


class RobustCheckpoint(keras.callbacks.ModelCheckpoint):
    """Saves the model when its robust accuracy is the best so far.

    Among epochs of equal robust accuracy, the one with the highest clean
    accuracy counts as better; among those, the first. Epochs in which the
    robust accuracy was not measured (see `RobustnessEvaluation`) are ignored.
    Of several processes that train together, the first one writes.

    Args:
        filepath: The file, as in `keras.callbacks.ModelCheckpoint`:
            `"best.keras"`, or `"best.weights.h5"` for weights only; it may
            contain the fields `{epoch}` and those of the logs.
        monitor: Name of the robust accuracy in the logs, which is maximized:
            that of a `RobustnessEvaluation` before this callback, or
            `"val_robust_accuracy"` of an `AttentionDefendedModel`.
        tie_break: Name of the clean accuracy in the logs, which decides
            between epochs of equal robust accuracy. None keeps the first of
            them.
        save_weights_only: Whether to save the weights only.
        restore_best_weights: Whether the model gets the weights of the best
            epoch after training. They are kept in memory.
        verbose: 1 for a line whenever the model is saved, 0 for silence.

    Attributes:
        best: The best values of `monitor` and `tie_break`, a tuple.
        best_epoch: The epoch of these values, counted from 0.

    Raises:
        ValueError: In the first epoch, if the logs lack one of the values.

    Example:

    ```python
    robustness = kad.callbacks.RobustnessEvaluation(x, y, attacks="fgsm")
    checkpoint = kad.callbacks.RobustCheckpoint(
        "best.keras", monitor="val_robust_accuracy_fgsm"
    )
    model.fit(x, y, validation_data=(x, y), callbacks=[robustness, checkpoint])
    ```

    Reference:
        Robust accuracy on held-out images decreases again in late epochs:
        Overfitting in adversarially robust deep learning,
        [Rice et al., 2020](https://arxiv.org/abs/2002.11569).
    """

    def __init__(
        self,
        filepath: Path,
        monitor: str = "val_robust_accuracy",
        tie_break: str | None = "val_accuracy",
        *,
        save_weights_only: bool = False,
        restore_best_weights: bool = False,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            filepath,
            monitor,
            mode="max",
            save_weights_only=save_weights_only,
            verbose=verbose,
        )
        self.tie_break = tie_break
        self.restore_best_weights = restore_best_weights
        self.best: tuple[float, ...] | None = None
        self.best_epoch: int | None = None
        self._best_weights = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        score = self._score(logs)
        if isinstance(score[0], Carried):
            return
        if self.best is not None and score <= self.best:
            return
        self.best, self.best_epoch = score, epoch
        if self.restore_best_weights:
            self._best_weights = self.model.get_weights()
        save = super().on_epoch_end
        by_first(self.model, lambda: save(epoch, logs))

    def on_train_end(self, logs: Any = None) -> None:
        # A `RobustnessEvaluation` may have measured once more, if training
        # was stopped early.
        if self.monitor in logs:
            self.on_epoch_end(self._epoch, logs)
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def _score(self, logs):
        """Returns the values of the logs that decide, the first one first."""
        names = [name for name in (self.monitor, self.tie_break) if name]
        missing = [name for name in names if name not in logs]
        if missing:
            raise ValueError(
                f"{type(self).__name__} needs {missing} in the logs, which "
                f"have {sorted(logs)}. Place a RobustnessEvaluation before it "
                "in the list of callbacks and name its value as `monitor`; "
                "for a clean accuracy, compile with metrics=['accuracy'] and "
                "pass `validation_data` to `fit` (with validation_freq=1), or "
                "pass another `tie_break`, or None."
            )
        return tuple(logs[name] for name in names)
