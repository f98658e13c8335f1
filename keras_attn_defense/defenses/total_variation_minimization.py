"""The smoothest image that agrees with a random half of the values.

    keep = a random share of the values
    minimize over u:  sum keep * (u - images) ** 2 + weight * TV(u)

by the primal-dual steps of Chambolle and Pock, with `K` the differences to the
next row and the next column, and `p` two numbers for each value:

    p = project(p + sigma * K ahead)             # each pair inside a disk
    new = nearest(u - tau * K^T p)               # between it and kept values
    ahead = 2 * new - u;  u = new
"""

from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import HowToAttack
from ..data import from_channels_last
from ..data import to_channels_last
from .defense_layer import DefenseLayer

# The largest steps with which the iteration converges: tau * sigma * |K|^2
# is one, and the square of the norm of K is at most 8.
_TAU = _SIGMA = 8**-0.5


@register
class TotalVariationMinimization(DefenseLayer):
    """Drops values at random, and restores a smooth image from the others.

    - **Claimed.** What is restored has no perturbation any more, and an attack
      cannot know which values will be kept.
    - **Broken.** By the gradient of the identity and means over draws, to
      nothing ([Athalye et al., 2018](https://arxiv.org/abs/1802.00420),
      section 5.2). Here all steps can be differentiated: attacks go through
      them, and average.

    Args:
        keep: Share of the values that is kept; 0.5 in the paper.
        weight: Weight of the total variation, for values from 0 to 1; 0.03
            in the paper.
        steps: Number of primal-dual steps.
        draws: Number of draws over which attacks average.
        seed: Integer seed of the draws.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    smooth = kad.defenses.TotalVariationMinimization(weight=0.03)
    defended = kad.defenses.defend(model, smooth)
    ```

    Reference:
        [Guo et al., 2018](https://arxiv.org/abs/1711.00117), equation (2),
        with squared distances and the isotropic total variation;
        [Chambolle and Pock, 2011](https://doi.org/10.1007/s10851-010-0251-1),
        algorithm 1.
    """

    def __init__(
        self,
        keep: float = 0.5,
        weight: float = 0.03,
        steps: int = 30,
        draws: int = 10,
        seed: int | None = None,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.keep = check_number("keep", keep, 0.0, 1.0, above=True)
        self.weight = check_number("weight", weight)
        self.steps = check_count("steps", steps)
        self.draws = check_count("draws", draws)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor) -> Tensor:
        """Restores images `(batch, height, width, channels)`."""
        lower, upper = self.value_range
        x = (to_channels_last(images) - lower) / (upper - lower)
        chance = keras.random.uniform(ops.shape(x), seed=self.seed_generator)
        kept = ops.cast(chance < self.keep, x.dtype)
        # The minimum lies between the values; the last step may not.
        x = ops.clip(self._restored(x, kept), 0.0, 1.0)
        return from_channels_last(x * (upper - lower) + lower)

    def _restored(self, x, kept):
        weight, pull = self.weight, 2.0 * _TAU * kept

        def step(_, state):
            u, ahead, down, right = state
            down = down + _SIGMA * _difference(ahead, 1)
            right = right + _SIGMA * _difference(ahead, 2)
            if weight:
                length = ops.sqrt(down**2 + right**2 + 1e-20)
                size = ops.maximum(length / weight, 1.0)
                down, right = down / size, right / size
            else:
                down, right = ops.zeros_like(down), ops.zeros_like(right)
            adjoint = _adjoint(down, 1) + _adjoint(right, 2)
            new = (u - _TAU * adjoint + pull * x) / (1.0 + pull)
            return new, 2.0 * new - u, down, right

        nothing = ops.zeros_like(x)
        # What is dropped starts as plain gray.
        start = kept * x + (1.0 - kept) * 0.5
        state = (start, start, nothing, nothing)
        return ops.fori_loop(0, self.steps, step, state)[0]

    def how_to_attack(self) -> HowToAttack:
        """Returns the number of draws; the steps are differentiated."""
        return HowToAttack(draws=self.draws)

    def get_config(self) -> dict[str, Any]:
        return {
            "keep": self.keep,
            "weight": self.weight,
            "steps": self.steps,
            "draws": self.draws,
            "seed": self.seed,
            **super().get_config(),
        }


def _difference(x, axis):
    """The next value less this one, zero for the last."""
    ahead = _part(x, 1, None, axis) - _part(x, None, -1, axis)
    return ops.concatenate([ahead, _zeros(x, axis)], axis=axis)


def _adjoint(p, axis):
    """The transpose of `_difference`."""
    inner = _part(p, None, -1, axis)
    zeros = _zeros(p, axis)
    return ops.concatenate([zeros, inner], axis=axis) - ops.concatenate(
        [inner, zeros], axis=axis
    )


def _part(x, start, stop, axis):
    return x[:, start:stop] if axis == 1 else x[:, :, start:stop]


def _zeros(x, axis):
    return ops.zeros_like(_part(x, None, 1, axis))
