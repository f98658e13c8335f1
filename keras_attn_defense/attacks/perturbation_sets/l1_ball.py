"""The ball of the l1 norm: projection on it, and sparse directions."""

import math

import keras
from keras import ops

from .perturbation_set import PerturbationSet
from .perturbation_set import num_values

# Share of the values that a step changes.
_SPARSE_SHARE = 0.01
# What rounding leaves between a value and its bound, as a share of the range.
_ROUNDING = 1e-6


class L1Ball(PerturbationSet):
    """The absolute values of the change sum to at most epsilon.

    Steps are sparse, and the projection is onto the ball and the value range
    at once, which is more than onto one after the other.

    Example:

    ```python
    ball = kad.attacks.perturbation_sets.L1Ball()
    # One image of two values.
    change = keras.ops.convert_to_tensor([[[[3.0, -1.0]]]])
    np.testing.assert_allclose(ball.norm(change), [4.0])
    ```

    Reference:
        [Tramer and Boneh, 2019](https://arxiv.org/abs/1904.13000), section 4,
        for the step; [Croce and Hein, 2021](https://arxiv.org/abs/2103.01208)
        for the projection.
    """

    name = "l1"
    default_epsilon = 12.0

    def projection(self, images, epsilon, value_range):
        lower, upper = value_range
        bound = max(abs(lower), abs(upper))
        radius = self.margin(epsilon, ops.shape(images), bound)

        def project(x):
            change = x - images
            # How far each value may go from the clean image in the direction of
            # its change.
            room = ops.where(change > 0, upper - images, images - lower)
            change = _shrunk(change, ops.maximum(room, 0.0), radius)
            return ops.clip(images + change, lower, upper)

        return project

    def sample(self, shape, epsilon, seed):
        # With one exponential more than there are values, their shares of
        # the sum are uniform.
        sizes = _exponential(shape, seed)
        rest = _exponential((shape[0], 1, 1, 1), seed)
        total = ops.sum(sizes, axis=(1, 2, 3), keepdims=True) + rest
        return _with_random_signs(sizes / total, seed) * epsilon

    def sample_border(self, shape, epsilon, seed):
        sizes = _exponential(shape, seed)
        total = ops.sum(sizes, axis=(1, 2, 3), keepdims=True)
        return _with_random_signs(sizes / total, seed) * epsilon

    def norm(self, perturbation):
        return ops.sum(ops.abs(perturbation), axis=(1, 2, 3))

    def ascent_direction(self, gradient):
        """The largest values change equally, 1 % of them.

        The very steepest step changes a single one, which takes as many steps
        as values are to change.
        """
        return sparse_sign(gradient, _SPARSE_SHARE)

    def restrict(self, gradient, x, value_range):
        # Values at their bound would be chosen again and again.
        lower, upper = value_range
        room = ops.where(gradient > 0, upper - x, x - lower)
        stuck = room < _ROUNDING * (upper - lower)
        return ops.where(stuck, 0.0, gradient)

    def dual_norm(self, gradient):
        return ops.max(ops.abs(gradient), axis=(1, 2, 3))

    def project(self, perturbation, epsilon):
        return _shrunk(perturbation, ops.abs(perturbation), epsilon)

    def _rounding_growth(self, shape):
        return num_values(shape)


def _shrunk(change, room, radius):
    radius = ops.reshape(radius, (-1, 1))
    sizes = shrink(flat(ops.abs(change)), flat(room), radius)
    return ops.sign(change) * ops.reshape(sizes, ops.shape(change))


def _exponential(shape, seed):
    return -ops.log(1.0 - keras.random.uniform(shape, seed=seed))


def _with_random_signs(sizes, seed):
    uniform = keras.random.uniform(ops.shape(sizes), seed=seed)
    return ops.where(uniform < 0.5, -sizes, sizes)


def shrink(sizes, room, radius):
    """`clip(sizes - threshold, 0, room)`, the sum being at most `radius`.

    Of all lengths between 0 and `room` with such a sum, these are the closest
    to `sizes`. As the threshold falls from the largest size to zero, the sum
    grows piecewise linearly: a coordinate joins in at its size, and is full
    when its room is used up.

    Args:
        sizes: Absolute values, `(batch, size)`.
        room: Upper bounds, at least zero, `(batch, size)`.
        radius: The largest sum, `(batch, 1)` or `(1, 1)`.

    Returns:
        `(batch, size)`.

    Reference:
        [Croce and Hein, 2021](https://arxiv.org/abs/2103.01208), section 3.
    """
    # The thresholds at which the number of growing coordinates changes, from
    # high to low: at its size a coordinate joins in (+1), at `full` it stops
    # (-1). `growing` counts them after each event, `(batch, 2 * size)`.
    full = ops.maximum(sizes - room, 0.0)
    events = ops.concatenate([sizes, full], axis=-1)
    joins = ops.concatenate([ops.ones_like(sizes), -ops.ones_like(full)], -1)
    order = ops.argsort(-events, axis=-1)
    events, joins = (
        ops.take_along_axis(value, order, axis=-1) for value in (events, joins)
    )
    growing = ops.cumsum(joins, axis=-1)
    # The sum at each event: between two events it grows by their distance, once
    # for each growing coordinate.
    grown = growing[:, :-1] * (events[:, :-1] - events[:, 1:])
    grown = ops.pad(ops.cumsum(grown, axis=-1), [(0, 0), (1, 0)])
    # From the last event at which the sum is still below the radius, go on
    # until it reaches it: there are `growing` coordinates to share what is
    # left.
    below = ops.cast(grown < radius, "int32")
    last = ops.maximum(ops.sum(below, axis=-1, keepdims=True) - 1, 0)
    event, grown, growing = (
        ops.take_along_axis(value, last, axis=-1)
        for value in (events, grown, growing)
    )
    threshold = event - (radius - grown) / ops.maximum(growing, 0.5)
    shrunk = ops.clip(sizes - ops.maximum(threshold, 0.0), 0.0, room)
    # What rounding adds is taken away.
    total = ops.sum(shrunk, axis=-1, keepdims=True)
    return shrunk * ops.minimum(1.0, radius / ops.maximum(total, 1e-30))


def sparse_sign(gradient, share):
    """The signs of the largest values, divided by their number.

    Args:
        gradient: `(batch, height, width, channels)`.
        share: Share of the values that are kept, at least one; a number, or
            one for each image, `(batch,)`.

    Returns:
        A tensor of the shape of `gradient`, of l1 norm one.
    """
    sizes = ops.abs(gradient)
    # Ranked from small to large, `(batch, size)`: `index` is the place of the
    # smallest value that is kept.
    ranked = ops.sort(flat(sizes), axis=-1)
    count = ranked.shape[-1]
    left_out = (1.0 - ops.reshape(share, (-1, 1))) * count
    index = ops.clip(ops.cast(left_out, "int32"), 0, count - 1)
    index = index + ops.zeros_like(ranked[:, :1], dtype="int32")
    smallest = ops.take_along_axis(ranked, index, axis=-1)[:, :, None, None]
    signs = ops.where(sizes >= smallest, ops.sign(gradient), 0.0)
    number = ops.sum(ops.abs(signs), axis=(1, 2, 3), keepdims=True)
    return ops.divide_no_nan(signs, number)


def flat(images):
    """Images as rows of values, `(batch, size)`."""
    return ops.reshape(images, (-1, math.prod(images.shape[1:])))
