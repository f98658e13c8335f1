"""The worst of several attacks, image by image."""

from keras import ops

from . import objectives


def worst_case(candidates, logits_of, labels, sign):
    """The candidate that does most harm, chosen for each image alone."""
    worst, worst_harm = candidates[0], None
    if len(candidates) == 1:
        return worst
    for candidate in candidates:
        harm = _harm(logits_of(candidate), labels, sign)
        if worst_harm is None:
            worst_harm = harm
            continue
        worse = harm > worst_harm
        worst = ops.where(worse[:, None, None, None], candidate, worst)
        worst_harm = ops.where(worse, harm, worst_harm)
    return worst


def _harm(logits, labels, sign):
    loss = sign * objectives.cross_entropy(logits, labels)
    predicted = ops.cast(ops.argmax(logits, axis=-1), labels.dtype)
    hit = predicted != labels if sign > 0 else predicted == labels
    # Success counts before any height of the loss.
    return loss + 1e4 * ops.cast(hit, loss.dtype)
