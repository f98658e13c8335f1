"""The worst of several attacks, image by image."""

from keras import ops

from ..objectives import cross_entropy


def worst_case(candidates, task):
    """The candidate that does most harm, chosen for each image alone.

    Args:
        candidates: A list of batches of images.
        task: The `Task` that they were crafted for.
    """
    worst, worst_harm = candidates[0], None
    if len(candidates) == 1:
        return worst
    for candidate in candidates:
        harm = _harm(task.victim.frozen_logits(candidate), task)
        if worst_harm is None:
            worst_harm = harm
            continue
        worse = harm > worst_harm
        worst = ops.where(worse[:, None, None, None], candidate, worst)
        worst_harm = ops.where(worse, harm, worst_harm)
    return worst


def _harm(logits, task):
    loss = task.sign * cross_entropy(logits, task.labels)
    # Success counts before any height of the loss.
    return loss + 1e4 * ops.cast(task.broken(logits), loss.dtype)
