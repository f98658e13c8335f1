"""Numbers wide enough for gradients, losses and maps under mixed precision."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .._typing import Tensor

# What the largest weight of an image's logits is brought to. Half precision
# holds what is 250 times as large, and what is a billion times as small.
_SCALE = 2.0**8


def full_precision(tensor: Tensor) -> Tensor:
    """Casts half-precision (and whole) numbers to float32; wider ones stay."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype in ("float32", "float64"):
        return tensor
    return ops.cast(tensor, "float32")


def scaled_pullback(pullback: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """Makes a pullback keep its digits in half precision.

    A gradient is linear in the weights of the logits: they are scaled up, and
    the gradient is scaled down in float32. What overflows becomes zero.

    Args:
        pullback: Function from weights of the logits `(batch, classes)` to the
            gradient of their weighted sum, or to a list of gradients.

    Returns:
        A function of the same form.
    """

    def widened(gradient):
        gradient = full_precision(gradient)
        return ops.where(ops.isfinite(gradient), gradient, 0.0) / _SCALE

    def gradients(weights):
        return keras.tree.map_structure(widened, pullback(weights * _SCALE))

    return gradients


def normalized_pullback(
    pullback: Callable[[Tensor], Any],
) -> Callable[..., Any]:
    """Makes a pullback to images keep its digits for weights of any size.

    Weights are close to zero where the model is sure, and large where it is
    wrong: half-precision layers would lose the one, or overflow with the
    other. So the largest weight of each image is brought to one.

    Args:
        pullback: As in `scaled_pullback`, with gradients of rank 4.

    Returns:
        A function of the same form.
    """
    pullback = scaled_pullback(pullback)

    def gradient(weights):
        size = ops.max(ops.abs(weights), axis=-1, keepdims=True)
        gradient = pullback(ops.divide_no_nan(weights, size))
        return gradient * full_precision(size)[:, :, None, None]

    return gradient
