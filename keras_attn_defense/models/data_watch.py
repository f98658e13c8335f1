"""Keep batches that nobody can learn from out of training, and report them."""

import time

import keras
from keras import ops

from .._backend import process
from .._processes import from_all
from ..data import has_columns

# Seconds from one look to the next: each waits for the device.
_PAUSE = 1.0
_CURE = (
    "Expected finite images in value_range={value_range}, and labels of "
    "{num_classes} classes. Look at the data set: "
    "`for x, y in data: print(x.min(), x.max(), y.min(), y.max())`."
)


def is_usable(images, labels, value_range, num_classes):
    """Tells whether a model can learn from a batch, a scalar tensor.

    Args:
        images: Float32 tensor `(batch, height, width, channels)`.
        labels: Class indices, one-hot or soft labels.
        value_range: `(lower, upper)` bounds of the images.
        num_classes: Number of classes.
    """
    lower, upper = value_range
    slack = 1e-5 * (upper - lower)
    # Written so that NaN, which compares false, is found too.
    fits = (images >= lower - slack) & (images <= upper + slack)
    labels = ops.cast(labels, "float32")
    known = labels >= -1e-6
    if has_columns(labels, num_classes):
        known = known & (abs(ops.sum(labels, -1, keepdims=True) - 1) <= 1e-3)
    else:
        known = known & (labels < num_classes)
    return ops.logical_and(ops.all(fits), ops.all(known))


def harmless(images, labels, usable, value_range):
    """Returns the batch, or gray images of the first class in its place."""
    gray = ops.full_like(images, sum(value_range) / 2)
    nothing = ops.zeros_like(labels)
    return ops.where(usable, images, gray), ops.where(usable, labels, nothing)


class DataWatch(keras.callbacks.Callback):
    """Looks now and then whether `fit` met batches that nobody can learn from.

    It has settings that other callbacks change obeyed, too, at the next epoch.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._seen = epoch, 0
        # Processes look together, so not when a clock tells one of them to.
        alone = process(self.model)[1] == 1
        self._next_look = time.monotonic() + _PAUSE if alone else float("inf")
        self.model.begin_epoch(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        if time.monotonic() > self._next_look:
            self._look(batch)

    def on_epoch_end(self, epoch, logs=None):
        self._look(None)

    def _look(self, batch):
        last = "the last" if batch is None else batch
        check_usable(
            self.model,
            f"A batch of epoch {self._epoch + 1}, between the batches "
            f"{self._seen + 1} and {last}, cannot be learned from, and was "
            "left out.",
        )
        self._seen = batch
        self._next_look = time.monotonic() + _PAUSE


def check_usable(model, what):
    """Raises a `ValueError` if the model met unusable batches.

    Args:
        model: An `AttentionDefendedModel`.
        what: How the error begins.
    """
    tracker = model.trackers["unusable_batches"]
    count = float(ops.convert_to_numpy(tracker.result()))
    # On PyTorch, each process counts its own batches.
    if max(from_all(model, lambda: count)):
        cure = _CURE.format(
            value_range=model.value_range,
            num_classes=model.classifier.num_classes,
        )
        raise ValueError(f"{what} Images or labels are not as expected. {cure}")
