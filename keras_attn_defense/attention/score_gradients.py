"""Gradients of class scores with respect to tensors of a classifier."""

from keras import ops

from ..classifier import full_precision

# Half-precision gradients of a feature map would lose their small values.
_SCALE = 2.0**10


def score_gradients(pullback, logits, classes):
    """Computes the gradients of the logits of `classes`.

    Args:
        pullback: The pullback that `vjp_inside` returned.
        logits: `(batch, num_classes)`.
        classes: Indices `(batch,)`.

    Returns:
        A list with one gradient for each tensor, in float32 or wider.
    """
    cotangent = ops.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
    gradients = pullback(cotangent * _SCALE)
    return [full_precision(gradient) / _SCALE for gradient in gradients]
