"""Norm balls: what a perturbation may be. A new threat model goes here."""

import keras
from keras import ops


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

    def project(self, perturbation, epsilon):
        length = _length(perturbation)
        factor = ops.minimum(1.0, epsilon / ops.maximum(length, 1e-30))
        return perturbation * factor

    def _rounding_growth(self, shape):
        return ops.sqrt(_size(shape)) + 4.0


def get(norm):
    """Returns the perturbation set of a norm's name."""
    known = {ball.name: ball for ball in (LinfBall, L2Ball)}
    if norm not in known:
        raise ValueError(
            f"`norm` should be one of {sorted(known)}. Received: norm={norm!r}"
        )
    return known[norm]()


def _length(images):
    return ops.sqrt(ops.sum(ops.square(images), axis=(1, 2, 3), keepdims=True))


def _size(shape):
    height, width, channels = shape[1:]
    return ops.cast(height * width * channels, "float32")
