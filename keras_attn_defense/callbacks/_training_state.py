"""The state of a training in a file, and a folder with the last two of them."""

import dataclasses
import json
import pathlib
import warnings
from typing import Any

import numpy as np

from .._archives import open_arrays
from .._files import replacing
from . import _plain_data

_VERSION = 1
_PATTERN = "state_{:05d}.npz"


@dataclasses.dataclass
class TrainingState:
    """All that a training needs to go on.

    Args:
        epoch: The epoch that begins, counted from 0.
        epochs: How many epochs were asked for.
        finished: Whether the training is over.
        seed: What the seeds of all epochs are made of.
        settings: What the training was told, a dict of text.
        callbacks: For each callback with a state, by its label, a dict of
            attributes.
        logs: The logs of the last epoch, if it is finished.
        variables: Values of the model's and the optimizer's variables.
    """

    epoch: int
    epochs: int
    finished: bool
    seed: int
    settings: dict[str, str]
    callbacks: dict[str, dict[str, Any]]
    logs: dict[str, Any]
    variables: list[np.ndarray]


class StateFolder:
    """The states of the last two epochs, in files.

    Args:
        path: The folder.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def newest(self, epochs):
        """Reads the newest state from which a training can go on.

        Args:
            epochs: How many epochs are asked for now. A training that is
                finished with fewer goes on from its last epoch.

        Returns:
            A `TrainingState`, or None where there is no file.

        Raises:
            ValueError: If there are files, and none can be used.
        """
        damaged, paths = [], self._files()
        for path in reversed(paths):
            try:
                state = read_state(path)
            except (ValueError, OSError) as error:
                damaged.append(f"'{path}' cannot be read: {error}")
                continue
            if state.finished and epochs > state.epochs:
                continue
            if damaged:
                warnings.warn(
                    f"{' '.join(damaged)} Training goes on from the state "
                    f"before it, '{path}'.",
                    stacklevel=2,
                )
            return state
        if paths:
            raise ValueError(
                f"No state in '{self.path}' can be used to go on. "
                f"{' '.join(damaged)} Delete the folder to train anew."
            )
        return None

    def read(self, epoch):
        """Reads the state at the beginning of an epoch.

        Args:
            epoch: The epoch, counted from 0.

        Returns:
            A `TrainingState`.
        """
        return read_state(self.path / _PATTERN.format(epoch))

    def write(self, state):
        """Writes a state; deletes all but this one and the one before it.

        Args:
            state: A `TrainingState`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / _PATTERN.format(state.epoch)
        with replacing(path) as file:
            write_state(file, state)
        before = [file for file in self._files() if file < path]
        for file in self._files():
            if file not in (path, *before[-1:]):
                file.unlink()

    def _files(self):
        return sorted(self.path.glob("state_*.npz"))


def write_state(file, state):
    """Writes a state to an open file.

    Args:
        file: A binary file.
        state: A `TrainingState`.
    """
    fields = vars(state).copy()
    arrays = {
        f"variable_{i}": value
        for i, value in enumerate(fields.pop("variables"))
    }
    kept = []
    for name in ("callbacks", "logs"):
        fields[name] = _plain_data.encode(fields[name], kept)
    arrays |= {f"kept_{i}": value for i, value in enumerate(kept)}
    text = json.dumps({"version": _VERSION, **fields})
    text = np.frombuffer(text.encode(), "uint8")
    np.savez(file, training=text, **arrays)


def read_state(path):
    """Reads what `write_state` wrote.

    Args:
        path: The file.

    Returns:
        A `TrainingState`.

    Raises:
        ValueError: If it is another file, or damaged.
    """
    with open_arrays(path) as file:
        if "training" not in file.files:
            raise ValueError("it is no state of a training.")
        found = {name: file[name] for name in file.files}
    try:
        fields = json.loads(found["training"].tobytes())
        if fields.pop("version") != _VERSION:
            raise ValueError("written by another version of this library")
        variables = _numbered("variable", found)
        kept = _numbered("kept", found)
        for name in ("callbacks", "logs"):
            fields[name] = _plain_data.decode(fields[name], kept)
        return TrainingState(variables=variables, **fields)
    # A file that somebody else wrote may be wrong in any way.
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is damaged ({error}).") from None


def _numbered(name, arrays):
    """Returns the arrays `name_0`, `name_1`, ..."""
    found = []
    while (array := arrays.get(f"{name}_{len(found)}")) is not None:
        found.append(array)
    return found
