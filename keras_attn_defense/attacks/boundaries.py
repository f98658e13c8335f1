"""The linearized boundaries between classes."""

from keras import ops

from .engine.image_gradient import logit_gradients
from .objectives.margin import logit_of
from .search_attack import select


def nearest_boundary(victim, x, labels, rivals, ball):
    """The nearest of the boundaries to other classes, logits taken as linear.

    Args:
        victim: A classifier view.
        x: Images `(batch, height, width, channels)`.
        labels: Classes to leave, `(batch,)`.
        rivals: The other classes to look at, `(batch, rivals)`.
        ball: The `PerturbationSet` whose norm measures distance.

    Returns:
        How far the logit of the rival is ahead, `(batch,)`, the gradient of
        that, of the shape of `x`, and the distance, `(batch,)`.
    """
    logits, gradient_of = logit_gradients(victim.frozen_logits, x)

    def hot(chosen):
        return ops.one_hot(chosen, logits.shape[-1], dtype=logits.dtype)

    def boundary(rival):
        lead = logit_of(logits, rival) - logit_of(logits, labels)
        gradient = gradient_of(hot(rival) - hot(labels))
        steepness = ops.maximum(ball.dual_norm(gradient), 1e-30)
        return lead, gradient, ops.abs(lead) / steepness

    nearest = boundary(rivals[:, 0])
    for number in range(1, rivals.shape[-1]):
        candidate = boundary(rivals[:, number])
        nearest = select(candidate[2] < nearest[2], candidate, nearest)
    return nearest
