"""The ball of the l0 norm: at most so many values change."""

from keras import ops

from .l1_ball import flat
from .perturbation_set import PerturbationSet


class L0Ball(PerturbationSet):
    """At most epsilon values of an image change, each as far as it likes.

    Values are counted, not pixels: one of three channels is one value. Of the
    attacks `FMN` knows this ball; evaluations have no radii in it.

    Example:

    ```python
    ball = kad.attacks.perturbation_sets.L0Ball()
    # One image of two values.
    change = keras.ops.convert_to_tensor([[[[0.3, -0.1]]]])
    np.testing.assert_allclose(ball.norm(change), [2.0])
    np.testing.assert_allclose(ball.project(change, 1.0), [[[[0.3, 0.0]]]])
    ```
    """

    name = "l0"
    default_epsilon = 12.0

    def projection(self, images, epsilon, value_range):
        lower, upper = value_range

        def project(x):
            # The values that change are those whose change saves most of the
            # distance to `x`: beyond the range, it cannot save all.
            inside = ops.clip(x, lower, upper)
            saved = ops.square(x - images) - ops.square(x - inside)
            return ops.where(_largest(saved, epsilon), inside, images)

        return project

    def norm(self, perturbation):
        changed = ops.cast(perturbation != 0, "float32")
        return ops.sum(changed, axis=(1, 2, 3))

    def dual_norm(self, gradient):
        # What one value gains that changes by one.
        return ops.max(ops.abs(gradient), axis=(1, 2, 3))

    def project(self, perturbation, epsilon):
        kept = _largest(ops.abs(perturbation), epsilon)
        return ops.where(kept, perturbation, 0.0)

    def shortened(self, perturbation, epsilon):
        # Less of each value would be as many values.
        return self.project(perturbation, epsilon)

    def margin(self, epsilon, shape, bound):
        return epsilon  # Counts are exact.


def _largest(values, number):
    """Tells which values are among the `number` largest of an image."""
    # The argsort of an order is its inverse: the rank of each value.
    rank = ops.argsort(ops.argsort(-flat(values), axis=-1), axis=-1)
    kept = ops.cast(rank, "float32") < ops.floor(ops.reshape(number, (-1, 1)))
    return ops.reshape(kept, ops.shape(values))
