"""The classes to explain, and the gradients of their scores."""

from keras import ops

from .._backend import is_traced
from ..classifier import scaled_pullback
from ..data import check_labels
from ..data import class_indices


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
    """Returns the indices of the classes to explain.

    Args:
        labels: Indices `(batch,)`, one-hot, a name of `CHOICES`, or None for
            the predicted class.
        logits: `(batch, classes)`.

    Returns:
        Class indices `(batch,)`.
    """
    if labels is None or isinstance(labels, str):
        choose = CHOICES[labels or "predicted"]
        return ops.cast(choose(ops.stop_gradient(logits)), "int32")
    return class_indices(labels, logits.shape[-1])


def check_choice(labels, num_classes, images):
    """Checks the classes to explain, as far as their values are known.

    Raises:
        ValueError: If they are not among the classes, or the name is unknown.
    """
    if isinstance(labels, str):
        if labels not in CHOICES:
            raise ValueError(
                "`y` should be class indices, one-hot labels or one of "
                f"{list(CHOICES)}. Received: y={labels!r}"
            )
    elif labels is not None and not is_traced(labels):
        check_labels(labels, num_classes, len(images))


def score_gradients(pullback, logits, classes):
    """Computes the gradients of the logits of `classes`.

    Args:
        pullback: The pullback that `vjp_inside` returned.
        logits: `(batch, num_classes)`.
        classes: Indices `(batch,)`.

    Returns:
        A list with one gradient for each tensor, in float32 or wider.
    """
    weights = ops.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
    return scaled_pullback(pullback)(weights)
