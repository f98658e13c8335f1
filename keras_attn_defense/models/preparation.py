"""What happens before the first step of `fit` and its like."""

import keras

from ..classifier import has_columns
from .compilation import check_compiled
from .compilation import check_labels_form
from .compilation import ensure_compiled
from .data_watch import DataWatch
from .first_batch import check_batch
from .first_batch import first_batch


class Preparation:
    """Compiles a defended model where nobody has, and looks at its data.

    Args:
        model: The `AttentionDefendedModel`.
    """

    def __init__(self, model):
        self.model = model
        # What belongs to the last `compile` that was looked at.
        self._loss_tracker = None
        self._settled = False

    def __call__(self, x, y):
        """Prepares the model for data, and returns `x` and `y` to use."""
        ensure_compiled(self.model)
        self._look_at_compile()
        self.model.refresh()
        x, y, images, labels = first_batch(x, y)
        if images is not None:
            self._check(images, labels)
            self._settle(labels)
            self.model.prepare(labels)
        return x, y

    def for_fit(self, arguments):
        """Prepares for `fit`.

        Args:
            arguments: Those of `fit`, a dict.

        Returns:
            The arguments to use.
        """
        x, y = self(arguments.get("x"), arguments.get("y"))
        found = {**arguments, "x": x, "y": y}
        if found.get("validation_data") is not None:
            found["validation_data"] = self._validation(**found)
        found["callbacks"] = _watched(found.get("callbacks"), self.model)
        return found

    def _validation(self, validation_data, **arguments):
        try:
            return self._checked(validation_data)
        except ValueError as error:
            raise ValueError(f"`validation_data`: {error}") from None

    def _checked(self, data):
        if isinstance(data, (tuple, list)):
            x, y, *weights = data
            x, y, images, labels = first_batch(x, y)
            data = (x, y, *weights)
        else:
            data, _, images, labels = first_batch(data, None)
        if images is not None:
            self._check(images, labels)
            self._settle(labels)
        return data

    def _look_at_compile(self):
        loss_tracker = self.model.metrics[0]  # New with each `compile`.
        if loss_tracker is not self._loss_tracker:
            check_compiled(self.model)
            self._loss_tracker, self._settled = loss_tracker, False

    def _check(self, images, labels):
        classifier = self.model.classifier
        check_batch(
            images, labels, self.model.value_range, classifier.num_classes
        )

    def _settle(self, labels):
        """Notes the form of labels that loss and metrics are built for.

        Keras builds them for the labels of the first step. Class indices can
        be turned into rows later on, for those that were built for rows.
        """
        model = self.model
        if model.classifier.num_outputs == 1:
            return
        if not self._settled:
            one_hot = has_columns(labels, model.classifier.num_classes)
            model.one_hot_labels = one_hot or model.augmentation is not None
            self._settled = True
        check_labels_form(model, labels)


def _watched(callbacks, model):
    """Callbacks with a `DataWatch` as the last one."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = [] if callbacks is None else keras.tree.flatten(callbacks)
        return [*callbacks, DataWatch()]
    if not any(isinstance(each, DataWatch) for each in callbacks.callbacks):
        watch = DataWatch()
        watch.set_model(model)
        callbacks.callbacks.append(watch)
    return callbacks
