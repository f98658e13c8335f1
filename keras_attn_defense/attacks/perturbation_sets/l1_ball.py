"""The ball of the l1 norm."""

import keras
from keras import ops

from .l1_projection import flat
from .l1_projection import shrink
from .l1_projection import sparse_sign
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
