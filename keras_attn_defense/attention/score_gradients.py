"""Gradients of class scores with respect to tensors of a classifier."""

from keras import ops

from ..classifier import scaled_pullback


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
