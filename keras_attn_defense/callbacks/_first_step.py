"""Whether an epoch begins as it did before an interruption."""

import contextlib
import warnings

import numpy as np

from .._files import read_json
from .._files import write_json


class FirstStep:
    """The loss of an epoch's first step, which tells whether it is the same.

    Args:
        path: The file that keeps it.
    """

    def __init__(self, path):
        self._path = path
        self._awaited = False

    def begin(self, epoch, *, again):
        """Awaits the first step of an epoch.

        Args:
            epoch: The epoch, counted from 0.
            again: Whether a process before this one had begun it.
        """
        self._epoch = epoch
        self._before = None
        self._awaited = True
        if again and self._path.exists():
            before = read_json(self._path, "record of the first step")
            if before["epoch"] == epoch:
                self._before = float(before["loss"])

    def end(self, logs):
        """Keeps the loss of the first step, or compares it.

        Args:
            logs: Those of a step.
        """
        if not self._awaited or "loss" not in logs:
            return
        self._awaited = False
        loss = float(logs["loss"])
        if self._before is None:
            # As text: JSON has no NaN. A full disk should not end a training.
            with contextlib.suppress(OSError):
                record = {"epoch": self._epoch, "loss": str(loss)}
                write_json(self._path, record)
        elif not np.isclose(loss, self._before, 1e-3, equal_nan=True):
            warnings.warn(
                f"Epoch {self._epoch + 1} does not begin as it did before the "
                f"interruption: the loss of its first step was "
                f"{self._before:g} and is {loss:g}. Do the data come in "
                "another order? It may depend on the number of the epoch only; "
                "see docs/resuming.md.",
                stacklevel=2,
            )
