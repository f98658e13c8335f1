"""A callback that averages the weights over the steps of training."""

from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._backend import write_back
from ..models import AttentionDefendedModel


class WeightAveraging(keras.callbacks.Callback):
    """Averages the weights exponentially over the steps of training.

    Training itself does not change. Validation, and the callbacks that come
    after this one, see the averaged weights at the end of each epoch:
    `RobustnessEvaluation`, `RobustCheckpoint`, `ModelCheckpoint`. The model
    has them after training, so `export` writes them.

    All weights that are no integers are averaged, the statistics of batch
    normalization too. Of an `AttentionDefendedModel`, those of its base.

    Args:
        momentum: The share of the average that a step keeps, from 0 to 1.
        warm_up: Whether the first averages are shorter: step t, counted from
            0, keeps at most `(1 + t) / (10 + t)`.
        start_epoch: The first epoch that is averaged, counted from 0.

    Raises:
        ValueError: If an argument does not have the expected form.

    Example:

    ```python
    averaging = kad.callbacks.WeightAveraging(0.995)
    model.fit(x, y, validation_data=(x, y), callbacks=[averaging])
    ```

    Reference:
        Averaging with a warm-up, for adversarial training: Uncovering the
        Limits of Adversarial Training against Norm-Bounded Adversarial
        Examples, [Gowal et al., 2020](https://arxiv.org/abs/2010.03593),
        section 4.4.
    """

    def __init__(
        self,
        momentum: float = 0.995,
        *,
        warm_up: bool = True,
        start_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.momentum = check_number("momentum", momentum, 0.0, 1.0)
        self.warm_up = warm_up
        self.start_epoch = check_count("start_epoch", start_epoch, 0)
        self._averages: list[Any] | None = None
        self._trained: list[Any] | None = None  # While averages are shown.

    def on_train_begin(self, logs: Any = None) -> None:
        self._averages = self._trained = None
        self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._trained is not None:
            _assign(self._variables(), self._trained)
            self._trained = None
        if epoch >= self.start_epoch and self._averages is None:
            self._averages = _copies(self._variables())
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._averages is None:
            return
        write_back(self.model)
        kept = 1.0
        # Several, if `steps_per_execution` says so.
        for _ in range(batch - self._batch):
            kept *= self._kept()
            self._steps += 1
        self._batch = batch
        for i, variable in enumerate(self._variables()):
            value = ops.cast(_value(variable), "float32")
            self._averages[i] += (1.0 - kept) * (value - self._averages[i])

    def on_test_begin(self, logs: Any = None) -> None:
        self._show()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._show()

    def on_train_end(self, logs: Any = None) -> None:
        self._show()
        # An evaluation that comes later is not of this training.
        self._averages = self._trained = None

    def _variables(self):
        model = self.model
        if isinstance(model, AttentionDefendedModel):
            model = model.base
        is_float = keras.backend.is_float_dtype
        return [v for v in model.weights if is_float(v.dtype)]

    def _kept(self):
        """Returns the share of the average that the next step keeps."""
        if not self.warm_up:
            return self.momentum
        return min(self.momentum, (1 + self._steps) / (10 + self._steps))

    def _show(self):
        """Puts the averages into the model until the next epoch begins."""
        if self._averages is not None and self._trained is None:
            self._trained = _copies(self._variables())
            _assign(self._variables(), self._averages)


def _value(variable):
    return ops.stop_gradient(ops.convert_to_tensor(variable))


def _copies(variables):
    """Returns the values in float32, which no step overwrites."""
    return [ops.copy(ops.cast(_value(v), "float32")) for v in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(ops.copy(value))
