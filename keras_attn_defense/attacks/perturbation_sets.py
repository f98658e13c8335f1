"""Norm balls: what a perturbation may be. A new threat model goes here."""

import keras
from keras import ops

from .l1_projection import flat
from .l1_projection import shrink
from .l1_projection import sparse_sign

# Share of the values that a step in l1 changes.
_SPARSE_SHARE = 0.01


class PerturbationSet:
    """The perturbations of norm at most `epsilon`, for each image alone.

    Subclasses define `sample`, `ascent_direction` and `project`.
    """

    name = None
    #: The radius where none is given, as a share of the value range.
    default_epsilon = None

    def projection(self, images, epsilon, value_range):
        """A function that brings images back to the ball and the range.

        Args:
            images: Clean images, the centres.
            epsilon: The radius, a scalar tensor.
            value_range: `(lower, upper)` bounds of the images.
        """
        lower, upper = value_range
        bound = max(abs(lower), abs(upper))
        radius = self.margin(epsilon, ops.shape(images), bound)

        def project(x):
            x = images + self.project(x - images, radius)
            return ops.clip(x, lower, upper)

        return project

    def sample(self, shape, epsilon, seed):
        """Draws perturbations uniformly from the set."""
        raise NotImplementedError

    def sample_border(self, shape, epsilon, seed):
        """Draws perturbations of norm `epsilon`, in a random direction."""
        raise NotImplementedError

    def norm(self, perturbation):
        """The norm of each perturbation, `(batch,)`."""
        raise NotImplementedError

    def ascent_direction(self, gradient):
        """The step of norm one that raises the objective most."""
        raise NotImplementedError

    def dual_norm(self, gradient):
        """How much a step of norm one can raise the objective, `(batch,)`."""
        raise NotImplementedError

    def project(self, perturbation, epsilon):
        """The nearest perturbation in the set."""
        raise NotImplementedError

    def margin(self, epsilon, shape, bound):
        """`epsilon` less what float32 may round up when it is added.

        Args:
            epsilon: The radius, a scalar tensor.
            shape: Shape of the images.
            bound: Largest absolute value of an image.
        """
        spacing = bound * 2.0**-24 * self._rounding_growth(shape)
        return ops.maximum(epsilon - spacing, 0.0)

    def _rounding_growth(self, shape):
        raise NotImplementedError


class LinfBall(PerturbationSet):
    """Every value changes by at most epsilon."""

    name = "linf"
    default_epsilon = 8 / 255

    def sample(self, shape, epsilon, seed):
        return keras.random.uniform(shape, -1.0, 1.0, seed=seed) * epsilon

    def sample_border(self, shape, epsilon, seed):
        noise = keras.random.uniform(shape, -1.0, 1.0, seed=seed)
        size = self.norm(noise)[:, None, None, None]
        return noise * (epsilon / size)

    def norm(self, perturbation):
        return ops.max(ops.abs(perturbation), axis=(1, 2, 3))

    def ascent_direction(self, gradient):
        return ops.sign(gradient)

    def dual_norm(self, gradient):
        return ops.sum(ops.abs(gradient), axis=(1, 2, 3))

    def project(self, perturbation, epsilon):
        return ops.clip(perturbation, -epsilon, epsilon)

    def _rounding_growth(self, shape):
        return 1.0


class L2Ball(PerturbationSet):
    """The Euclidean length of the change is at most epsilon."""

    name = "l2"
    default_epsilon = 0.5

    def sample(self, shape, epsilon, seed):
        direction = keras.random.normal(shape, seed=seed)
        radius = keras.random.uniform((shape[0], 1, 1, 1), seed=seed)
        # Volume grows with radius^n.
        radius = radius ** (1.0 / _size(shape))
        return self.ascent_direction(direction) * radius * epsilon

    def sample_border(self, shape, epsilon, seed):
        direction = keras.random.normal(shape, seed=seed)
        return self.ascent_direction(direction) * epsilon

    def norm(self, perturbation):
        return _length(perturbation)[:, 0, 0, 0]

    def ascent_direction(self, gradient):
        # Scaled first: squares of small gradients underflow in float32.
        largest = ops.max(ops.abs(gradient), axis=(1, 2, 3), keepdims=True)
        scaled = ops.divide_no_nan(gradient, largest)
        return ops.divide_no_nan(scaled, _length(scaled))

    def dual_norm(self, gradient):
        return self.norm(gradient)

    def project(self, perturbation, epsilon):
        length = _length(perturbation)
        factor = ops.minimum(1.0, epsilon / ops.maximum(length, 1e-30))
        return perturbation * factor

    def _rounding_growth(self, shape):
        return ops.sqrt(_size(shape)) + 4.0


class L1Ball(PerturbationSet):
    """The absolute values of the change sum to at most epsilon.

    Steps are sparse, and the projection is onto the ball and the value range
    at once, which is more than onto one after the other.

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

    def dual_norm(self, gradient):
        return ops.max(ops.abs(gradient), axis=(1, 2, 3))

    def project(self, perturbation, epsilon):
        return _shrunk(perturbation, ops.abs(perturbation), epsilon)

    def _rounding_growth(self, shape):
        return _size(shape)


def get(norm):
    """Returns the perturbation set of a norm's name."""
    known = {ball.name: ball for ball in (LinfBall, L2Ball, L1Ball)}
    if norm not in known:
        raise ValueError(
            f"`norm` should be one of {sorted(known)}. Received: norm={norm!r}"
        )
    return known[norm]()


def _shrunk(change, room, radius):
    radius = ops.reshape(radius, (-1, 1))
    sizes = shrink(flat(ops.abs(change)), flat(room), radius)
    return ops.sign(change) * ops.reshape(sizes, ops.shape(change))


def _exponential(shape, seed):
    return -ops.log(1.0 - keras.random.uniform(shape, seed=seed))


def _with_random_signs(sizes, seed):
    uniform = keras.random.uniform(ops.shape(sizes), seed=seed)
    return ops.where(uniform < 0.5, -sizes, sizes)


def _length(images):
    return ops.sqrt(ops.sum(ops.square(images), axis=(1, 2, 3), keepdims=True))


def _size(shape):
    height, width, channels = shape[1:]
    return ops.cast(height * width * channels, "float32")
