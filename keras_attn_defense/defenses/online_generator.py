"""A small network for each image, trained from nothing to draw it.

    weights, seeds = random numbers, of each image its own
    for each step:  move both down the squared error of draw(weights, seeds)
    images = draw(weights, seeds)

`draw` doubles the sides of the seeds between two convolutions, so that fine
noise is drawn last, and has not been learned when the steps end.
"""

from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._backend import vjp
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks.carlini_wagner import adam_start
from ..attacks.carlini_wagner import adam_step
from ..classifier import HowToAttack
from ..data import from_channels_last
from ..data import to_channels_last
from ..preprocessing.resampling import check_sides
from .defense_layer import DefenseLayer
from .defense_layer import identity


@register
class OnlineGenerator(DefenseLayer):
    """Draws each image anew, by a network that is trained on it alone.

    - **Claimed.** The copy has no perturbation, and there are no weights that
      an attack could know.
    - **Broken.** Nobody has published an attack on it. Defenses that optimize
      in inference have fallen to the identity in their place and means over
      draws ([Croce et al., 2022](https://arxiv.org/abs/2202.13711)): so this
      layer is attacked.

    Args:
        features: Channels of the seeds and inside of the network.
        steps: Number of steps of Adam.
        learning_rate: Its learning rate.
        draws: Number of draws over which attacks average.
        seed: Integer seed of weights and seeds.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    generator = kad.defenses.OnlineGenerator(features=4, steps=5, draws=1)
    defended = kad.defenses.defend(model, generator)
    ```

    Reference:
        [Li et al., 2020](https://doi.org/10.1109/TIP.2020.3025404), who
        update generator and input in turn; here, in one step, and the network
        is as small as possible.
    """

    def __init__(
        self,
        features: int = 8,
        steps: int = 100,
        learning_rate: float = 0.05,
        draws: int = 2,
        seed: int | None = None,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.features = check_count("features", features)
        self.steps = check_count("steps", steps)
        self.learning_rate = check_number("learning_rate", learning_rate)
        self.draws = check_count("draws", draws)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Draws images `(batch, height, width, channels)`; none in training."""
        if training:
            return images
        lower, upper = self.value_range
        x = to_channels_last(ops.stop_gradient(images))
        x = self._drawn((x - lower) / (upper - lower))
        return from_channels_last(x * (upper - lower) + lower)

    def _drawn(self, x):
        height, width = check_sides(x.shape[1:3])
        channels, features = x.shape[3], self.features
        half = -(-height // 2), -(-width // 2)
        shapes = {
            "first": (9 * features, features),
            "second": (9 * features, features),
            "last": (features, channels),
            "seeds": (*half, features),
        }

        def draw(flat):
            parts, start = {}, 0
            for name, shape in shapes.items():
                size = _size(shape)
                part = flat[:, 0, 0, start : start + size]
                parts[name] = ops.reshape(part, (-1, *shape))
                start += size
            y = ops.relu(_convolved(parts["seeds"], parts["first"]))
            y = ops.repeat(ops.repeat(y, 2, axis=1), 2, axis=2)
            y = ops.relu(_convolved(y, parts["second"]))
            pixels = ops.reshape(y, (-1, 4 * half[0] * half[1], features))
            pixels = ops.sigmoid(ops.matmul(pixels, parts["last"]))
            y = ops.reshape(pixels, (-1, 2 * half[0], 2 * half[1], channels))
            return y[:, :height, :width]

        def step(number, state):
            flat, adam = state

            def error(flat):
                return ops.sum(ops.square(draw(flat) - x), axis=(1, 2, 3))

            values, pullback = vjp(error, flat)
            ones = ops.ones_like(values)
            move, adam = adam_step(
                adam,
                pullback(ones),
                ones * ops.cast(number + 1, ones.dtype),
                self.learning_rate,
            )
            return flat - move, adam

        size = sum(map(_size, shapes.values()))
        start = keras.random.normal(
            (ops.shape(x)[0], 1, 1, size), 0.0, 0.2, seed=self.seed_generator
        )
        state = start, adam_start(start)
        return draw(ops.fori_loop(0, self.steps, step, state)[0])

    def how_to_attack(self) -> HowToAttack:
        """Returns the identity as a substitute, and draws."""
        return HowToAttack(substitute=identity, draws=self.draws)

    def get_config(self) -> dict[str, Any]:
        return {
            "features": self.features,
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "draws": self.draws,
            "seed": self.seed,
            **super().get_config(),
        }


def _size(shape):
    size = 1
    for side in shape:
        size *= side
    return size


def _convolved(x, kernels):
    """Convolves each image by kernels of its own, 3x3, over its border too.

    Args:
        x: `(batch, height, width, channels)`.
        kernels: `(batch, 9 * channels, new channels)`.
    """
    height, width, channels = x.shape[1:]
    padded = ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    patches = ops.concatenate(
        [
            padded[:, i : i + height, j : j + width]
            for i in range(3)
            for j in range(3)
        ],
        axis=-1,
    )
    patches = ops.reshape(patches, (-1, height * width, 9 * channels))
    y = ops.matmul(patches, kernels)
    return ops.reshape(y, (-1, height, width, kernels.shape[-1]))
