"""Norm balls: what a perturbation may be. A new threat model goes here."""

import keras
from keras import ops

from ..._typing import Norm
from .l1_ball import L1Ball
from .perturbation_set import PerturbationSet
from .perturbation_set import num_values


class LinfBall(PerturbationSet):
    """Every value changes by at most epsilon.

    Example:

    ```python
    # One image of two values.
    change = keras.ops.convert_to_tensor([[[[0.5, -0.1]]]])
    inside = kad.attacks.perturbation_sets.LinfBall().project(change, 0.2)
    np.testing.assert_allclose(inside, [[[[0.2, -0.1]]]])
    ```
    """

    name = "linf"
    default_epsilon = 8 / 255

    def sample(self, shape, epsilon, seed):
        return keras.random.uniform(shape, -1.0, 1.0, seed=seed) * epsilon

    def sample_border(self, shape, epsilon, seed):
        noise = keras.random.uniform(shape, -1.0, 1.0, seed=seed)
        # Stretched until the largest value of each image is at the border.
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

    def _largest_radius(self, value_range, image_shape):
        return value_range[1] - value_range[0]

    def _rounding_growth(self, shape):
        return 1.0


class L2Ball(PerturbationSet):
    """The Euclidean length of the change is at most epsilon.

    Example:

    ```python
    # One image of two values.
    change = keras.ops.convert_to_tensor([[[[3.0, -4.0]]]])
    inside = kad.attacks.perturbation_sets.L2Ball().project(change, 1.0)
    np.testing.assert_allclose(inside, [[[[0.6, -0.8]]]], rtol=1e-5)
    ```
    """

    name = "l2"
    default_epsilon = 0.5

    def sample(self, shape, epsilon, seed):
        direction = keras.random.normal(shape, seed=seed)
        radius = keras.random.uniform((shape[0], 1, 1, 1), seed=seed)
        # Volume grows with radius^n.
        radius = radius ** (1.0 / num_values(shape))
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
        # Not `norm`: squares of small gradients underflow.
        direction = self.ascent_direction(gradient)
        return ops.sum(gradient * direction, axis=(1, 2, 3))

    def project(self, perturbation, epsilon):
        length = _length(perturbation)
        factor = ops.minimum(1.0, epsilon / ops.maximum(length, 1e-30))
        return perturbation * factor

    def _rounding_growth(self, shape):
        # If each of n values is off by one unit, the length is by sqrt(n) at
        # most; some more for the computation of the length itself.
        return ops.sqrt(num_values(shape)) + 4.0


def get(norm: Norm) -> PerturbationSet:
    """Returns the perturbation set of a norm's name.

    Example:

    ```python
    ball = kad.attacks.perturbation_sets.get("l2")
    assert isinstance(ball, kad.attacks.perturbation_sets.L2Ball)
    ```
    """
    known = {ball.name: ball for ball in (LinfBall, L2Ball, L1Ball)}
    if not isinstance(norm, str) or norm not in known:
        raise ValueError(
            f"`norm` should be one of {sorted(known)}. Received: norm={norm!r}"
        )
    return known[norm]()


def _length(images):
    return ops.sqrt(ops.sum(ops.square(images), axis=(1, 2, 3), keepdims=True))
