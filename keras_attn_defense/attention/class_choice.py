"""Which class a map explains."""

from keras import ops

from .._backend import is_traced
from ..classifier import check_labels
from ..classifier import class_indices


def _predicted(logits):
    return ops.argmax(logits, axis=-1)


def _runner_up(logits):
    return ops.top_k(logits, 2)[1][:, 1]


def _least_likely(logits):
    return ops.argmin(logits, axis=-1)


CHOICES = {
    "predicted": _predicted,
    "runner_up": _runner_up,
    "least_likely": _least_likely,
}


def chosen_classes(labels, logits):
    """The classes to explain.

    Args:
        labels: Indices `(batch,)`, one-hot, a name of `CHOICES`, or None for
            the predicted class.
        logits: `(batch, classes)`.

    Returns:
        Class indices `(batch,)`.
    """
    if labels is None or isinstance(labels, str):
        found = CHOICES[labels or "predicted"](ops.stop_gradient(logits))
        return ops.cast(found, "int32")
    return class_indices(labels, logits.shape[-1])


def check_choice(labels, num_classes, images):
    """Checks the classes to explain, as far as their values are at hand.

    Raises:
        ValueError: If they are not among the classes, or there is no such
            choice.
    """
    if isinstance(labels, str):
        if labels not in CHOICES:
            raise ValueError(
                "`labels` should be class indices, one-hot labels or one of "
                f"{list(CHOICES)}. Received: labels={labels!r}"
            )
    elif labels is not None and not is_traced(labels):
        check_labels(labels, num_classes, len(images))
