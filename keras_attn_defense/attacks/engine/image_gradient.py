"""The gradient of an objective by the images."""

from keras import ops

from ..._backend import vjp
from ...classifier import normalized_pullback
from ...classifier import scaled_pullback


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
    return ops.stop_gradient(logits), scaled_pullback(to_images)


def image_gradient(logits_of, objective, x):
    """The gradient of the objective, which keeps its digits in float16.

    Args:
        logits_of: Function from images to logits.
        objective: Function from logits to one value an image.
        x: Images `(batch, height, width, channels)`.

    Returns:
        Values `(batch,)`, their gradient, of the shape of `x`, and logits.
    """
    # The chain rule in two parts, as in half precision the gradient by the
    # logits has to be scaled before it goes back through the network.
    logits, to_images = vjp(logits_of, x)
    values, to_logits = vjp(objective, ops.stop_gradient(logits))
    slope = to_logits(ops.ones_like(values))
    gradient = normalized_pullback(to_images)(slope)
    return ops.stop_gradient(values), gradient, ops.stop_gradient(logits)


def through(transformation, objective, victim, x, labels, reference):
    """Returns an objective's `value_and_gradient`, by images before a change.

    Args:
        transformation: A differentiable function of images.
        objective: An `Objective`.
        victim: A classifier view.
        x: Images `(batch, height, width, channels)`, by which the gradient is
            taken.
        labels: Classes `(batch,)`.
        reference: What the objective's `reference` returned.
    """
    # The chain rule by hand: the objective takes its gradient by the changed
    # image, and `back` takes that to the image itself.
    changed, back = vjp(transformation, x)
    values, gradient, logits = objective.value_and_gradient(
        victim, ops.stop_gradient(changed), labels, reference
    )
    return values, back(gradient), logits
