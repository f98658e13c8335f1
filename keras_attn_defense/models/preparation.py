"""Compile the model where nobody has, and check data before the first step."""

import inspect
from typing import TYPE_CHECKING
from typing import Any

import keras
import numpy as np

from ..data import check_columns
from ..data import check_contrast
from ..data import check_images
from ..data import check_labels
from ..data import has_columns
from ..losses import DistillationLoss
from .compilation import check_compiled
from .compilation import check_labels_form
from .compilation import ensure_compiled
from .data_watch import DataWatch
from .data_watch import check_usable
from .division import check_division
from .division import sizes_in_fit

if TYPE_CHECKING:  # It is a mixin, whose `super()` is a model.
    from keras import Model as _Model
else:
    _Model = object


class FitCallback(keras.callbacks.Callback):
    """Base class of callbacks that change the arguments of `fit`."""

    def prepare_fit(
        self, model: keras.Model, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """Prepares `fit`, before anything is trained.

        Args:
            model: The model.
            arguments: Those of `fit`.

        Returns:
            The arguments to use in their place.
        """
        return arguments


class Preparation(_Model):
    """The work of `AttentionDefendedModel` before its first step, a mixin."""

    #: Belongs to the last `compile` whose settings were checked.
    _checked_compile = None
    #: Whether the form of the labels is known since that `compile`.
    _labels_are_settled = False

    def fit(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Trains the model, as `keras.Model.fit` does.

        Args:
            x: As in Keras. Arrays are checked whole, data sets by their first
                batch, before any weight moves.
            y: As in Keras.
            *args: As in Keras.
            **kwargs: As in Keras.

        Returns:
            A `keras.callbacks.History`.
        """
        given = inspect.signature(super().fit).bind(x, y, *args, **kwargs)
        arguments = self.prepare_for_fit(given.arguments)
        return super().fit(**arguments)

    def evaluate(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Evaluates on clean and attacked images, as Keras does otherwise."""
        # Keras' `fit` passes this on: the data was looked at before.
        if "_use_cached_eval_dataset" not in kwargs:
            x, y = self._prepared_for_evaluate(x, y, *args, **kwargs)
        logs = super().evaluate(x, y, *args, **kwargs)
        check_usable(self, "A batch cannot be evaluated.")
        return logs

    def train_on_batch(
        self, x: Any, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """One update on one batch, as `keras.Model.train_on_batch` does."""
        x, y = self.prepare_for(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(
        self, x: Any, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Evaluates one batch, as `keras.Model.test_on_batch` does."""
        x, y = self.prepare_for(x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    def prepare_for(self, x, y):
        """Prepares the model for data.

        Args:
            x: As in `keras.Model.fit`.
            y: As in `keras.Model.fit`, or a list of labels.

        Returns:
            `x` and `y` to use in their place.
        """
        ensure_compiled(self)
        self._look_at_compile()
        self.refresh()
        x, y, images, labels = first_batch(x, y)
        if images is not None:
            self._check_batch(images, labels)
            self.prepare(labels)
        return x, y

    def prepare_for_fit(self, arguments):
        """Prepares the model for `fit`.

        A `FitCallback` may change the arguments and the order of callbacks.

        Args:
            arguments: Those of `fit`, a dict.

        Returns:
            The arguments to use in their place.
        """
        if isinstance(self.robust_loss, DistillationLoss):
            self.robust_loss.required_teacher()
        found = dict(arguments)

        def look_at_data(division):
            x, y = self.prepare_for(found.get("x"), found.get("y"))
            found.update(x=x, y=y)
            if found.get("validation_data") is not None:
                found["validation_data"] = self._validation(
                    found["validation_data"]
                )
            return sizes_in_fit(division, found)

        check_division(self, look_at_data)
        found["callbacks"] = callbacks = _watched(found.get("callbacks"), self)
        for callback in getattr(callbacks, "callbacks", callbacks):
            if isinstance(callback, FitCallback):
                found = callback.prepare_fit(self, found)
        return found

    def _prepared_for_evaluate(self, x, y, *args, **kwargs):
        """Returns `x` and `y` of `evaluate` to use in their place."""
        given = inspect.signature(super().evaluate).bind(x, y, *args, **kwargs)
        batch_size = given.arguments.get("batch_size")
        found = []

        def look_at_data(division):
            found.extend(self.prepare_for(x, y))
            sizes = division.sizes(found[0], batch_size, training=False)
            return {"evaluate": sizes}

        check_division(self, look_at_data)
        return found

    def _validation(self, data):
        """Returns checked validation data, which `fit` reads each epoch."""
        try:
            if isinstance(data, (tuple, list)):
                x, y, *weights = data
                x, y, images, labels = first_batch(x, y)
                data = (x, y, *weights)
            else:
                data, _, images, labels = first_batch(data, None)
            if images is not None:
                self._check_batch(images, labels)
        except ValueError as error:
            raise ValueError(f"`validation_data`: {error}") from None
        return data

    def _look_at_compile(self):
        loss_tracker = self.metrics[0]  # New with each `compile`.
        if loss_tracker is not self._checked_compile:
            check_compiled(self)
            # Past Keras, which would track the metric once more.
            vars(self)["_checked_compile"] = loss_tracker
            self._labels_are_settled = False

    def _check_batch(self, images, labels):
        num_classes = self.classifier.num_classes
        check_batch(images, labels, self.value_range, num_classes)
        if self.classifier.num_outputs == 1:
            return
        # Keras builds loss and metrics for the labels of the first step. Class
        # indices can be turned into rows later on, for those that were built
        # for rows.
        if not self._labels_are_settled:
            one_hot = has_columns(labels, num_classes)
            self.one_hot_labels = one_hot or self.augmentation is not None
            self._labels_are_settled = True
        check_labels_form(self, labels)


def first_batch(x, y):
    """Reads what `fit` is about to train on first, without losing any.

    Args:
        x: Whatever `fit` takes as `x`.
        y: Whatever `fit` takes as `y`, or a list of labels.

    Returns:
        `x` and `y` to train on: the same, an array for a list of labels, and
        for a generator an equal one, as its first batch cannot be read twice;
        and the images and labels of the first batch, or of everything where
        `x` is an array. They are None where there is no batch, or none that
        can be looked into.
    """
    if hasattr(x, "shape"):
        y = np.asarray(y) if isinstance(y, (list, tuple)) else y
        batch = (x, y)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    elif hasattr(x, "__next__"):
        batch = next(x, None)
        x = x if batch is None else _again(batch, x)
    elif hasattr(x, "__iter__") and not isinstance(x, (list, tuple, str)):
        batch = next(iter(x), None)
    else:
        raise ValueError(
            "Expected images, an array or a tensor of shape (num, height, "
            "width, channels), or a data set of (images, labels) batches. "
            f"Received: {type(x).__name__}. Make an array of a list: "
            "`np.asarray(images)`."
        )
    check_columns(batch)
    images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
    if not hasattr(images, "shape"):
        images = labels = None
    return x, y, images, labels


def check_batch(images, labels, value_range, num_classes):
    """Checks a batch before anything is trained on it.

    Args:
        images: `(batch, height, width, channels)`.
        labels: Class indices or one-hot labels, or None.
        value_range: `(lower, upper)` bounds of the images.
        num_classes: Number of classes.

    Raises:
        ValueError: If images or labels are not what the model expects.
    """
    check_images(images, value_range)
    check_contrast(images, value_range)
    if labels is None:
        raise ValueError(
            "Adversarial training needs labels. Received images only; pass "
            "`y`, or a data set of (images, labels)."
        )
    _check_numbers(labels)
    check_labels(labels, num_classes, len(images))


def _check_numbers(labels):
    if hasattr(labels, "detach"):  # A PyTorch tensor, on any backend.
        return
    values = np.asarray(labels).ravel()
    if values.dtype.kind not in "biuf":
        raise ValueError(
            "Labels should be numbers: the index of the class, or one-hot. "
            f"Received: {values[:3].tolist()}. To number the names: "
            "`names, y = np.unique(y, return_inverse=True)`."
        )


def _again(first, rest):
    # Keras recognizes generators by their type.
    yield first
    yield from rest


def _watched(callbacks, model):
    """Returns callbacks with a `DataWatch` as the last one."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = [] if callbacks is None else keras.tree.flatten(callbacks)
        return [*callbacks, DataWatch()]
    if not any(isinstance(each, DataWatch) for each in callbacks.callbacks):
        watch = DataWatch()
        watch.set_model(model)
        callbacks.callbacks.append(watch)
    return callbacks
