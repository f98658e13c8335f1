"""The base class of norm balls, and one on some of the pixels only."""

import numpy as np
from keras import ops

from ..._arguments import not_defined
from ..._typing import Norm

# The shortest length that is divided by.
_SHORT = 1e-8


class PerturbationSet:
    """The perturbations of norm at most `epsilon`, for each image alone.

    Subclasses define `sample`, `ascent_direction` and `project`.

    Example:

    ```python
    ball = kad.attacks.PGD(norm="l2").ball
    assert isinstance(ball, kad.attacks.perturbation_sets.PerturbationSet)
    change = keras.ops.ones((1, 2, 2, 1))
    np.testing.assert_allclose(ball.norm(change), [2.0])
    ```
    """

    name: Norm
    #: The radius where none is given, as a share of the value range.
    default_epsilon: float

    def projection(self, images, epsilon, value_range):
        """A function that brings images back to the ball and the range.

        Args:
            images: Clean images, the centers.
            epsilon: The radius, a scalar tensor; in l1 also one for each
                image.
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
        raise not_defined(self, "sample", "it draws perturbations of the set")

    def sample_border(self, shape, epsilon, seed):
        """Draws perturbations of norm `epsilon`, in a random direction."""
        raise not_defined(
            self, "sample_border", "it draws perturbations of norm `epsilon`"
        )

    def norm(self, perturbation):
        """The norm of each perturbation, `(batch,)`."""
        raise not_defined(
            self, "norm", "it returns the norm of each perturbation"
        )

    def ascent_direction(self, gradient):
        """The step of norm one that raises the objective most."""
        raise not_defined(
            self, "ascent_direction", "it returns the best step of norm one"
        )

    def restrict(self, gradient, x, value_range):
        """The gradient, without what the images `x` cannot follow.

        Args:
            gradient: A gradient to ascend, of the shape of `x`.
            x: Images `(batch, height, width, channels)`.
            value_range: `(lower, upper)` bounds of the images.
        """
        return gradient

    def dual_norm(self, gradient):
        """Computes what a step of norm one can gain at most, `(batch,)`."""
        raise not_defined(
            self, "dual_norm", "it returns how much a step can gain"
        )

    def project(self, perturbation, epsilon):
        """The nearest perturbation in the set."""
        raise not_defined(
            self, "project", "it returns the nearest perturbation of the set"
        )

    def shortened(self, perturbation, epsilon):
        """Shortens perturbations that are larger than `epsilon` to that."""
        size = self.norm(perturbation)
        factor = ops.minimum(1.0, epsilon / ops.maximum(size, _SHORT))
        return factor[:, None, None, None] * perturbation

    def check_radius(self, epsilon, value_range, image_shape=()):
        """Checks that a ball does not hold every image of a value range.

        Args:
            epsilon: The radius, in the units of the images.
            value_range: `(lower, upper)` bounds of the images.
            image_shape: `(height, width, channels)`, as far as it is known; in
                `"linf"` it does not matter.

        Raises:
            ValueError: If it does: any image could become any other.
        """
        largest = self._largest_radius(value_range, image_shape)
        # Room for rounding, of 32 bits as well.
        if largest is not None and epsilon > largest * (1 + 1e-6):
            meant = f": did you mean {epsilon:g} / 255?"
            raise ValueError(
                f"An epsilon of {epsilon:g} in the norm '{self.name}' lets "
                f"every image in value_range={tuple(value_range)} become any "
                "other. Epsilons are in the units of the images"
                + (meant if value_range[1] - value_range[0] < 128 else ".")
            )

    def _largest_radius(self, value_range, image_shape):
        """The distance of the two images that are farthest from each other.

        Of a set without such a bound, and where sizes are not known, None.
        """
        if not image_shape or not all(
            isinstance(side, int) for side in image_shape
        ):
            return None
        corner = np.full((1, *image_shape), value_range[1] - value_range[0])
        corner = ops.convert_to_tensor(corner, "float32")
        return float(ops.convert_to_numpy(self.norm(corner))[0])

    def margin(self, epsilon, shape, bound):
        """`epsilon` less what float32 may round up when it is added.

        Args:
            epsilon: The radius, a scalar tensor.
            shape: Shape of the images.
            bound: Largest absolute value of an image.
        """
        # A sum below `bound` is rounded by at most `bound * 2**-24` in float32,
        # which has 24 bits. `growth` says by how much the norm of all errors is
        # larger.
        growth = self._rounding_growth(shape)
        spacing = bound * 2.0**-24 * growth
        # A radius beyond the values is rounded more than they are.
        large = epsilon > bound * ops.maximum(growth / 4, 1.0)
        # Multiplied, not subtracted: of an infinite radius nothing is taken.
        share = ops.where(large, 1.0 - 2.0**-22, 1.0)
        return ops.maximum(epsilon * share - spacing, 0.0)

    def _rounding_growth(self, shape):
        raise not_defined(
            self, "_rounding_growth", "it tells how rounding errors add up"
        )


def num_values(shape):
    """Counts the values of an image, as a float tensor."""
    height, width, channels = shape[1:]
    return ops.cast(height * width * channels, "float32")


class Confined:
    """The perturbations of a norm ball that leave the other pixels alone.

    Args:
        ball: The `PerturbationSet`.
        region: Booleans that broadcast to the images: true where a pixel may
            change.
    """

    def __init__(self, ball, region):
        self.ball = ball
        self.region = region

    def projection(self, images, epsilon, value_range):
        """As of a `PerturbationSet`; exact, as norms are of single values."""
        project = self.ball.projection(images, epsilon, value_range)
        return lambda x: project(ops.where(self.region, x, images))

    def restrict(self, gradient, x, value_range):
        """As of a `PerturbationSet`: zero at the other pixels."""
        gradient = self.ball.restrict(gradient, x, value_range)
        return ops.where(self.region, gradient, 0.0)
