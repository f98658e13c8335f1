"""The classes to explain, and the gradients of their scores."""

import keras
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
            the predicted class; or a function from the logits to the
            derivative by them of what a map explains.
        logits: `(batch, classes)`.

    Returns:
        Class indices `(batch,)`; what a function returns, `(batch, classes)`.
    """
    if callable(labels):
        return labels(logits)
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


def _logit_weights(chosen, logits, ranked_by):
    return chosen


def _margin_weights(chosen, logits, ranked_by):
    """The class less the strongest other one."""
    others = ops.argmax(ranked_by - 1e30 * chosen, axis=-1)
    return chosen - ops.one_hot(others, logits.shape[-1], dtype=logits.dtype)


def _loss_weights(chosen, logits, ranked_by):
    """The derivative of the cross-entropy by the logits."""
    return ops.softmax(logits, axis=-1) - chosen


SCORES = {
    "logit": _logit_weights,
    "margin": _margin_weights,
    "loss": _loss_weights,
    # Only training draws: whoever explains one image asks for its class.
    "random": _logit_weights,
}


def check_score(score):
    """Returns the name of a score, or raises a `ValueError`."""
    if score not in SCORES:
        raise ValueError(
            f"`score` should be one of {list(SCORES)}. Received: "
            f"score={score!r}"
        )
    return score


def random_weights(count, num_classes, seed):
    """Draws the derivatives of random combinations of the logits.

    They have the length of a margin's and, like it, the sum zero: a number
    that is added to all logits changes no prediction. Of two classes, nothing
    but the margin is left.

    Args:
        count: Number of images.
        num_classes: Number of logits.
        seed: A `keras.random.SeedGenerator`.

    Returns:
        `(count, num_classes)`.
    """
    drawn = keras.random.normal((count, num_classes), seed=seed)
    drawn = drawn - ops.mean(drawn, axis=-1, keepdims=True)
    squares = ops.sum(ops.square(drawn), axis=-1, keepdims=True)
    return drawn * ops.sqrt(2.0 / ops.maximum(squares, 1e-12))


def score_weights(score, classes, logits, ranked_by=None):
    """Computes the derivative of a score by the logits.

    Args:
        score: A name of `SCORES`.
        classes: Indices `(batch,)`.
        logits: `(batch, num_classes)`.
        ranked_by: Logits that choose the strongest other class; None means
            `logits`. Two images that are compared should share it.

    Returns:
        `(batch, num_classes)`.
    """
    chosen = ops.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
    # Which class is the strongest other one is a choice, without a derivative.
    ranked_by = ops.stop_gradient(logits if ranked_by is None else ranked_by)
    return SCORES[score](chosen, logits, ranked_by)


def score_gradients(pullback, logits, classes, score="logit"):
    """Computes the gradients of what a map explains.

    Args:
        pullback: The pullback that `vjp_inside` returned.
        logits: `(batch, num_classes)`.
        classes: What `chosen_classes` returned.
        score: A name of `SCORES`.

    Returns:
        A list with one gradient for each tensor, in float32 or wider.
    """
    # Indices; a function of the caller has returned the derivative itself.
    if len(classes.shape) == 1:
        classes = score_weights(score, classes, logits)
    return scaled_pullback(pullback)(classes)
