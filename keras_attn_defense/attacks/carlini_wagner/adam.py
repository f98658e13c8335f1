"""Adam for variables that are images, each with a step count of its own."""

from keras import ops

_MEAN_DECAY = 0.9
_VARIANCE_DECAY = 0.999
_TINY = 1e-8


def adam_start(x):
    """The state before the first step: a dict of `mean` and `variance`."""
    return {"mean": ops.zeros_like(x), "variance": ops.zeros_like(x)}


def adam_step(state, gradient, number, learning_rate):
    """Computes what to subtract, and the state after it.

    Args:
        state: What `adam_start` returned, or this function.
        gradient: `(batch, height, width, channels)`.
        number: Number of this step, from 1, `(batch,)`.
        learning_rate: A number, or one for each image `(batch, 1, 1, 1)`.

    Returns:
        The change to subtract, and the new state.

    Reference:
        [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980), algorithm 1.
    """
    mean = _MEAN_DECAY * state["mean"] + (1.0 - _MEAN_DECAY) * gradient
    variance = _VARIANCE_DECAY * state["variance"]
    variance = variance + (1.0 - _VARIANCE_DECAY) * ops.square(gradient)
    number = ops.cast(number, "float32")[:, None, None, None]
    unbiased_mean = mean / (1.0 - _MEAN_DECAY**number)
    unbiased_variance = variance / (1.0 - _VARIANCE_DECAY**number)
    size = ops.sqrt(unbiased_variance) + _TINY
    change = learning_rate * unbiased_mean / size
    return change, {"mean": mean, "variance": variance}
