"""Boundaries between classes as hyperplanes, and the way to one."""

import keras
from keras import ops

from .._backend import total
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
    # With linear logits, a boundary is `|lead| / |gradient|_*` away. The dual
    # norm is the most that a step of norm one can raise the lead.
    leads, gradients = _leads(victim, x, labels, rivals)
    nearest = None
    for lead, gradient in zip(leads, gradients, strict=True):
        steepness = ops.maximum(ball.dual_norm(gradient), 1e-30)
        candidate = lead, gradient, ops.abs(lead) / steepness
        if nearest is None:
            nearest = candidate
        else:
            is_nearer = candidate[2] < nearest[2]
            nearest = select(is_nearer, candidate, nearest)
    return nearest


def _leads(victim, x, labels, rivals):
    """How far each rival is ahead, and the gradients; means over draws."""

    def of_draw(number):
        view = victim
        if victim.draws > 1:
            view = victim.in_one_draw().with_draw(number)
        # One forward pass, and one backward pass for each rival.
        logits, gradient_of = logit_gradients(view.frozen_logits, x)

        def hot(chosen):
            return ops.one_hot(chosen, logits.shape[-1], dtype=logits.dtype)

        ahead = [
            (
                logit_of(logits, rival) - logit_of(logits, labels),
                gradient_of(hot(rival) - hot(labels)),
            )
            for rival in ops.unstack(rivals, axis=-1)
        ]
        return tuple(zip(*ahead, strict=True))

    summed = total(victim.draws, of_draw)
    return keras.tree.map_structure(lambda each: each / victim.draws, summed)


_TINY = 1e-30


def change_to_hyperplane(points, normal, value, value_range, norm):
    """The smallest change that brings points to a hyperplane.

    The hyperplane is where `value + normal . change` is zero; the changed
    points lie inside the value range. If it is out of reach there, the change
    goes as far towards it as it can.

    Args:
        points: Points inside the range, `(batch, size)`.
        normal: Normals of the hyperplanes, `(batch, size)`.
        value: Values of the linear functions at the points, `(batch,)`.
        value_range: `(lower, upper)` bounds.
        norm: `"linf"`, `"l2"` or `"l1"`: the norm to make small.

    Returns:
        `(batch, size)`.

    Reference:
        [Croce and Hein, 2020](https://arxiv.org/abs/1907.02044), section 2.2.
    """
    lower, upper = value_range
    # Scaled, so that squares of small gradients do not underflow.
    largest = ops.max(ops.abs(normal), axis=-1, keepdims=True)
    normal = ops.divide_no_nan(normal, largest)
    total = ops.divide_no_nan(ops.abs(value)[:, None], largest)
    # Now every coordinate has one direction to go, and room up to a bound. A
    # step of length `l` there brings the plane closer by `weight * l`: look for
    # the smallest lengths with `sum(weights * lengths) = total`.
    direction = -ops.sign(normal) * ops.sign(value)[:, None]
    weights = ops.abs(normal)
    room = ops.where(direction > 0, upper - points, points - lower)
    room = ops.where(weights > 0, ops.maximum(room, 0.0), 0.0)
    return direction * _LENGTHS[norm](weights, room, total)


def _linf_lengths(weights, room, total):
    """All coordinates go equally far, until their room is used up."""
    return _grown(weights, ops.ones_like(weights), room, total)


def _l2_lengths(weights, room, total):
    """Coordinates go in proportion to their weights, as far as they can."""
    return _grown(weights, weights, room, total)


def _l1_lengths(weights, room, total):
    """Coordinates go one after another, those of large weight first."""
    # The least length is spent where each unit of it brings most. A
    # coordinate's turn comes when those of larger weight have used up their
    # room; `before` is what these bring together.
    order = ops.argsort(-weights, axis=-1)
    gain = ops.take_along_axis(weights * room, order, axis=-1)
    before = ops.cumsum(gain, axis=-1) - gain
    # Back to the order of the coordinates: the argsort of an order is its
    # inverse.
    before = ops.take_along_axis(before, ops.argsort(order, axis=-1), axis=-1)
    needed = (total - before) / ops.maximum(weights, _TINY)
    return ops.clip(needed, 0.0, room)


_LENGTHS = {"linf": _linf_lengths, "l2": _l2_lengths, "l1": _l1_lengths}


def _grown(weights, speed, room, total):
    """`min(time * speed, room)` at the time when its weighted sum is `total`.

    That sum grows piecewise linearly. Sorted by the times when coordinates
    have used up their room, its values at all of these times are known.
    """
    # When each coordinate has used up its room, in the order in which they do.
    end = room / ops.maximum(speed, _TINY)
    order = ops.argsort(end, axis=-1)
    end, used, rate = (
        ops.take_along_axis(value, order, axis=-1)
        for value in (end, weights * room, weights * speed)
    )
    # At the end of coordinate i, those sorted before it have brought
    # `before[i]`, and it and those after it bring `rate[i]` per unit of time.
    before = ops.cumsum(used, axis=-1) - used
    rate = ops.flip(ops.cumsum(ops.flip(rate, axis=-1), axis=-1), axis=-1)
    reached = before + end * rate
    # Count the ends at which the sum still falls short: that is the piece in
    # which it reaches the total, or one past the last piece if it never does.
    short = ops.sum(ops.cast(reached < total, "int32"), axis=-1, keepdims=True)
    piece = ops.minimum(short, end.shape[-1] - 1)
    before, rate = (
        ops.take_along_axis(value, piece, axis=-1) for value in (before, rate)
    )
    time = (total - before) / ops.maximum(rate, _TINY)
    # Out of reach: all go as far as they can.
    grown = ops.minimum(time * speed, room)
    return ops.where(short == end.shape[-1], room, grown)
