"""A callback with which a killed training goes on as if nothing had been."""

import inspect
import pathlib
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from .._arguments import check_count
from .._processes import from_first
from .._processes import is_first
from .._typing import Path
from ..models import AttentionDefendedModel
from ..models.preparation import FitCallback
from . import _plain_data
from ._first_step import FirstStep
from ._training_arguments import check_resumable
from ._training_arguments import reproducible
from ._training_settings import check_equal
from ._training_settings import settings
from ._training_state import StateFolder
from ._training_state import TrainingState


class Resume(FitCallback):
    """Lets a killed training go on as if it had not been killed.

    Start the same program again: `fit` goes on at the beginning of the epoch
    in which it was killed, and ends with the same weights, logs and files as
    without the interruption, bit for bit where the backend computes
    deterministically. A training that is finished is not repeated: `fit`
    returns its weights and history at once.

    At the beginning of each epoch, the folder gets the model's and the
    optimizer's variables, the seeds of attacks, augmentation and Dropout, and
    what the other callbacks keep in attributes that are numbers, arrays, or
    lists and dicts of these. Then the global generators of Python, NumPy
    and the backend are seeded for the epoch. Arrays are shuffled by them; a
    data set of your own has to yield an epoch from its beginning whenever it
    is asked to, in an order that is fixed, or drawn from them when the epoch
    begins. If it has a method `set_epoch`, that is called with the number of
    the epoch.

    Of several processes that train together, the first one reads the settings
    and writes the states, and all have to see the folder.

    Other settings, seeds or data than those in the folder are refused. Two
    states are kept: if the newest file is damaged, or could not be written, a
    warning says so, and the one before it serves.

    Args:
        folder: A folder for the state of this training alone.
        seed: Integer of which the seeds of all epochs are made, from 0. None
            draws one when the training begins.

    Raises:
        ValueError: When `fit` is called, if the folder is of another training,
            or if data or callbacks are such that a training cannot go on.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(model)
    resume = kad.callbacks.Resume("runs/1")
    defended.fit(x, y, epochs=2, callbacks=[resume])
    ```

    Any other Keras model is trained by `fit` of the callback:

    ```python
    kad.callbacks.Resume("runs/2").fit(model, x, y, epochs=2)
    ```
    """

    # Keras need not wait for the logs of each step.
    async_safe = True

    def __init__(self, folder: Path, *, seed: int | None = None) -> None:
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.seed = None if seed is None else check_count("seed", seed, 0)
        self._states = StateFolder(self.folder)
        self._first_step = FirstStep(self.folder / "first_step.json")
        self._others: list[keras.callbacks.Callback] | None = None
        self._data: Any = None

    def fit(
        self, model: keras.Model, x: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Trains a model, as `model.fit` does, and can go on with it.

        Args:
            model: A Keras model that is built and compiled.
            x: As in Keras.
            *args: As in Keras.
            **kwargs: As in Keras.

        Returns:
            A `keras.callbacks.History`.
        """
        signature = inspect.signature(keras.Model.fit)
        arguments = signature.bind(model, x, *args, **kwargs).arguments
        del arguments["self"]
        callbacks = keras.tree.flatten(arguments.get("callbacks") or [])
        arguments["callbacks"] = [self, *callbacks]
        if not isinstance(model, AttentionDefendedModel):
            arguments = self.prepare_fit(model, arguments)
        return model.fit(**arguments)

    def prepare_fit(
        self, model: keras.Model, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """Prepares `fit`; an `AttentionDefendedModel` calls it by itself.

        Args:
            model: The model.
            arguments: Those of `fit`.

        Returns:
            The arguments to use in their place.

        Raises:
            ValueError: As described above.
        """
        if not (model.built and model.compiled):
            raise ValueError(
                "A model that is to be resumed has to be built and compiled "
                "before `fit`. Begin it with `keras.Input(shape)`, or call it "
                "once, and call `compile`."
            )
        self._others, callbacks = self._ordered(arguments.get("callbacks"))
        if any(isinstance(each, Resume) for each in self._others):
            raise ValueError("One `Resume` is enough. Received: several.")
        check_resumable(self._others, arguments)
        self._epochs = arguments.get("epochs", 1)
        self._settings = settings(model, arguments, self.seed)
        epoch, self._seed = from_first(model, lambda: self._begin(model))
        if not is_first(model):
            self._found = None if epoch is None else self._states.read(epoch)
        self._data = arguments.get("x")
        found = {**reproducible(arguments), "callbacks": callbacks}
        if self._found is None:
            return found
        self._settings = self._found.settings
        finished = self._found.finished
        found["initial_epoch"] = self._epochs if finished else self._found.epoch
        return found

    def _begin(self, model):
        """Returns the epoch of the state to go on from, or None, and a seed."""
        self._found = self._states.newest(self._epochs)
        if self._found is None:
            drawn = int(np.random.randint(2**31))
            return None, drawn if self.seed is None else self.seed
        self._check_found(model.optimizer)
        return self._found.epoch, self._found.seed

    def on_train_begin(self, logs: Any = None) -> None:
        if self._others is None:
            raise ValueError(
                "`Resume` has to see the data and the other callbacks. Train "
                f"this model with `kad.callbacks.Resume('{self.folder}')"
                ".fit(model, x, y, ...)`."
            )
        self._written = self._found is not None
        self._unchanged: dict[str, dict[str, str]] | None = None
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        if self._found is not None:
            self._restore_variables()
            self._say()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._unchanged is None:
            # All callbacks have begun the training by now, and some have reset
            # what they keep. What they change from here on is their state.
            self._unchanged = {
                label: _plain_data.fingerprints(callback)
                for label, callback in _labeled(self._others).items()
            }
            self._restore()
        if self._found is None:
            self._save(epoch)
        self._epoch = epoch
        if is_first(self.model):
            self._first_step.begin(epoch, again=self._found is not None)
        self._found = None
        self._seed_globals(epoch)
        if hasattr(self._data, "set_epoch"):
            self._data.set_epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._first_step.end(logs)

    def on_train_end(self, logs: Any = None) -> None:
        if self._found is not None:
            logs.update(self._found.logs)
            self._restore()
        elif self._unchanged is not None:  # Not with `epochs=0`.
            self._save(self._epoch + 1, finished=True, logs=logs)
        # What runs after `fit` draws the same numbers with and without a kill.
        self._seed_globals(self._epochs)
        self._others = self._found = self._data = None

    def _ordered(self, callbacks):
        """Returns the other callbacks, and all with this one first.

        It saves before others begin an epoch or end the training, and restores
        in the same place.
        """
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.callbacks.sort(key=lambda each: each is not self)
            return callbacks.callbacks[1:], callbacks
        others = [each for each in callbacks if each is not self]
        # Keras would add one by itself, which nobody could restore.
        if not any(
            isinstance(each, keras.callbacks.History) for each in others
        ):
            others.append(keras.callbacks.History())
        return others, [self, *others]

    def _check_found(self, optimizer):
        begun = optimizer.built and bool(
            int(ops.convert_to_numpy(optimizer.iterations))
        )
        check_equal(
            self._found.settings, self._settings, self.folder, begun=begun
        )
        missing = self._found.callbacks.keys() - _labeled(self._others).keys()
        if missing:
            raise ValueError(
                f"The training in '{self.folder}' had other callbacks, whose "
                f"state would be lost: {sorted(missing)}. Pass the same ones."
            )
        beyond = self._found.epoch > self._epochs
        if beyond or self._found.finished and self._epochs < self._found.epochs:
            raise ValueError(
                f"The training in '{self.folder}' has done "
                f"{self._found.epoch} of {self._found.epochs} epochs. Received:"
                f" epochs={self._epochs}. Name another folder, or more epochs."
            )

    def _say(self):
        if self.params.get("verbose") == 0:
            return
        if self._found.finished:
            print(
                f"The training in '{self.folder}' is finished. Delete the "
                "folder to train anew."
            )
        else:
            print(
                f"Training goes on from '{self.folder}', with epoch "
                f"{self._found.epoch + 1} of {self._epochs}."
            )

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _restore_variables(self):
        variables, values = self._variables(), self._found.variables
        fits = len(variables) == len(values) and all(
            tuple(variable.shape) == value.shape
            for variable, value in zip(variables, values, strict=True)
        )
        if not fits:
            raise ValueError(
                f"The state in '{self.folder}' is not of this model and "
                "optimizer. Name another folder, or delete this one."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def _restore(self):
        """Brings back everything, if there is something to go on from."""
        if self._found is None:
            return
        self._restore_variables()
        callbacks = _labeled(self._others)
        for label, attributes in self._found.callbacks.items():
            _plain_data.restore(callbacks[label], attributes)

    def _save(self, epoch, *, finished=False, logs=None):
        values = [ops.convert_to_numpy(each) for each in self._variables()]
        callbacks = {
            label: _plain_data.changed_attributes(
                callback, self._unchanged[label]
            )
            for label, callback in _labeled(self._others).items()
        }
        state = TrainingState(
            epoch=epoch,
            epochs=self._epochs,
            finished=finished,
            seed=self._seed,
            settings=self._settings,
            callbacks={k: v for k, v in callbacks.items() if v},
            logs=dict(logs or {}),
            variables=[_plain_data.storable(value) for value in values],
        )
        if not is_first(self.model):
            return
        try:
            self._states.write(state)
        except OSError as error:
            if not self._written:  # Better before than after the first epoch.
                raise
            warnings.warn(
                f"The state before epoch {epoch + 1} could not be written to "
                f"'{self.folder}': {error}. Training goes on; if it is killed "
                "now, it goes on from the last state that was written.",
                stacklevel=2,
            )
        self._written = True

    def _seed_globals(self, epoch):
        sequence = np.random.SeedSequence([self._seed, epoch])
        keras.utils.set_random_seed(int(sequence.generate_state(1)[0]))


def _labeled(callbacks):
    """Returns callbacks by their class, and a number where it has several."""
    found = {}
    for callback in callbacks:
        name = type(callback).__name__
        number = sum(type(each).__name__ == name for each in found.values())
        found[f"{name} {number + 1}" if number else name] = callback
    return found
