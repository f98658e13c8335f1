"""The gradient of an objective by the images."""

from keras import ops

from ..._backend import vjp

# What the largest gradient of an image's logits is brought to. Half precision
# holds what is 250 times as large, and what is a billion times as small.
_GRADIENT_SCALE = 2.0**8


def logit_gradients(logits_of, x):
    """Gradients of several combinations of logits, from one forward pass.

    Args:
        logits_of: Function from images to logits.
        x: Images `(batch, height, width, channels)`.

    Returns:
        Logits, and a function from the weights of the logits
        `(batch, classes)` to the gradient of their weighted sum.
    """
    logits, to_images = vjp(logits_of, x, reusable=True)

    def gradient(weights):
        gradient = ops.cast(to_images(weights * _GRADIENT_SCALE), "float32")
        return ops.where(ops.isfinite(gradient), gradient, 0.0) / (
            _GRADIENT_SCALE
        )

    return ops.stop_gradient(logits), gradient


def image_gradient(logits_of, objective, x):
    """The gradient of the objective, which keeps its digits in float16.

    Args:
        logits_of: Function from images to logits.
        objective: Function from logits to one value an image.
        x: Images `(batch, height, width, channels)`.

    Returns:
        Values `(batch,)`, their gradient, of the shape of `x`, and logits.
    """
    logits, to_images = vjp(logits_of, x)
    values, to_logits = vjp(objective, ops.stop_gradient(logits))
    slope = to_logits(ops.ones_like(values))
    # Close to zero where the model is sure, close to one where it is wrong:
    # half-precision layers would lose the one, or overflow with the other.
    size = ops.max(ops.abs(slope), axis=-1, keepdims=True)
    slope = ops.divide_no_nan(slope, size) * _GRADIENT_SCALE
    gradient = ops.cast(to_images(slope), "float32")
    gradient = ops.where(ops.isfinite(gradient), gradient, 0.0)
    size = ops.cast(size, "float32")[:, :, None, None]
    gradient = gradient * (size / _GRADIENT_SCALE)
    return ops.stop_gradient(values), gradient, ops.stop_gradient(logits)
