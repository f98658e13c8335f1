"""A perturbation set, on some of the pixels only."""

from keras import ops


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
