"""A callback that writes the logs of each epoch to a file."""

import pathlib
import time
from typing import Any

import keras

from .._epoch_logs import check_format
from .._epoch_logs import read_epochs
from .._epoch_logs import write_epochs
from .._processes import is_first
from .._typing import Path
from ._support import Carried
from ._support import summary_writer


class TrainingLog(keras.callbacks.Callback):
    """Writes the logs of each epoch to a CSV or JSON Lines file.

    Unlike `keras.callbacks.CSVLogger`, which writes only the logs of the first
    epoch, it also writes logs that appear later: validation with
    `validation_freq`, or a `RobustnessEvaluation` that runs every few epochs.
    Place it after the callbacks whose logs it should write. The file is
    complete after each epoch, even if the training is interrupted.
    `kad.visualization.training_figure` draws it.

    Besides the logs, each epoch has its number `epoch`, from 0, and its
    `seconds`, validation and earlier callbacks included.

    Args:
        path: The file, `"log.csv"` or `"log.jsonl"`. In CSV, logs that an
            epoch lacks are `NA`; in JSON they are left out, and values that
            are not finite are null.
        tensorboard: A folder in which the same values are logged for
            TensorBoard, as `epoch_<name>` under `train` and `validation`;
            needs tensorboardX. None writes the file only.
        append: Whether to keep the epochs of an existing file. Epochs from
            the one at which a resumed `fit(initial_epoch=...)` starts are
            replaced.

    Raises:
        ValueError: If the file is neither `.csv` nor `.jsonl`, or an existing
            file is damaged.
        ImportError: If `tensorboard` is given and tensorboardX is not
            installed.

    Example:

    ```python
    log = kad.callbacks.TrainingLog("log.csv")
    model.fit(x, y, epochs=2, callbacks=[log])
    kad.visualization.training_figure("log.csv")
    ```
    """

    def __init__(
        self,
        path: Path,
        tensorboard: Path | None = None,
        *,
        append: bool = False,
    ) -> None:
        super().__init__()
        check_format(path)
        self.path = pathlib.Path(path)
        self.append = bool(append)
        self._writers = {}
        if tensorboard is not None:
            for part in ("train", "validation"):
                folder = pathlib.Path(tensorboard) / part
                self._writers[part] = summary_writer(folder)

    def on_train_begin(self, logs: Any = None) -> None:
        self._rows = []
        if self.append and self.path.exists():
            self._rows = read_epochs(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        measured = {
            name: float(value)
            for name, value in (logs or {}).items()
            if not isinstance(value, Carried)
        }
        seconds = round(time.perf_counter() - self._began, 3)
        # A resumed training replaces epochs that an earlier one has logged.
        self._rows = [row for row in self._rows if row["epoch"] < epoch]
        self._rows.append({"epoch": epoch, "seconds": seconds, **measured})
        if not is_first(self.model):
            return
        write_epochs(self.path, self._rows)
        if self._writers:
            self._log_events(epoch + 1, measured)

    def on_train_end(self, logs: Any = None) -> None:
        # Writes the queued values.
        for writer in self._writers.values():
            writer.close()

    def _log_events(self, step, measured):
        """Logs values for TensorBoard, under the names that Keras uses."""
        for name, value in measured.items():
            part = "validation" if name.startswith("val_") else "train"
            tag = f"epoch_{name.removeprefix('val_')}"
            self._writers[part].add_scalar(tag, value, step)
