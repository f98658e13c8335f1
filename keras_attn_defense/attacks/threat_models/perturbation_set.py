"""What every norm ball offers."""

from keras import ops

from ..._typing import Norm


class PerturbationSet:
    """The perturbations of norm at most `epsilon`, for each image alone.

    Subclasses define `sample`, `ascent_direction` and `project`.

    Example:

    ```python
    ball = kad.attacks.PGD(norm="l2").ball
    assert isinstance(ball, kad.attacks.threat_models.PerturbationSet)
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
            images: Clean images, the centres.
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

    def followed(self, gradient, x, value_range):
        """The gradient, without what the images `x` cannot follow.

        Args:
            gradient: A gradient to ascend, of the shape of `x`.
            x: Images `(batch, height, width, channels)`.
            value_range: `(lower, upper)` bounds of the images.
        """
        return gradient

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


def num_values(shape):
    """How many values an image has, as a float tensor."""
    height, width, channels = shape[1:]
    return ops.cast(height * width * channels, "float32")
