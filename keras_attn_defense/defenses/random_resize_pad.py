"""Images at a random size, at a random place."""

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
from ..preprocessing.resampling import shrunk
from .defense_layer import DefenseLayer


@register
class RandomResizePad(DefenseLayer):
    """Shrinks each image to a random size, and pads it at a random place.

    - **Claimed.** An attack cannot know the size and the place; second in the
      defenses of NIPS 2017.
    - **Broken.** By means over draws: an image that fools the network at 30
      sizes and places fools it at the next
      ([Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 5.3).
      So this layer is attacked.

    Args:
        smallest: The smallest side as a share of the largest; 299/331 in the
            paper.
        draws: Number of draws over which attacks average.
        seed: Integer seed of the draws.
        value_range: `(lower, upper)` bounds of the images. What is padded
            has the lower one.
        name: Name of the layer.

    Example:

    ```python
    moving = kad.defenses.RandomResizePad(smallest=0.85)
    defended = kad.defenses.defend(model, moving)
    ```

    Reference:
        [Xie et al., 2018](https://arxiv.org/abs/1711.01991), section 3, where
        images become larger than they were; here they stay as large, so that
        any network takes them.
    """

    def __init__(
        self,
        smallest: float = 299 / 331,
        draws: int = 20,
        seed: int | None = None,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.smallest = check_number("smallest", smallest, 0.0, 1.0, above=True)
        self.draws = check_count("draws", draws)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor) -> Tensor:
        """Resizes and pads images `(batch, height, width, channels)`."""
        lower, _ = self.value_range
        x = to_channels_last(images) - lower
        chances = keras.random.uniform(
            (3, ops.shape(x)[0]), seed=self.seed_generator
        )
        scale = self.smallest + (1.0 - self.smallest) * chances[0]
        return from_channels_last(shrunk(x, scale, chances[1:]) + lower)

    def how_to_attack(self) -> HowToAttack:
        """Returns the number of draws."""
        return HowToAttack(draws=self.draws)

    def get_config(self) -> dict[str, Any]:
        return {
            "smallest": self.smallest,
            "draws": self.draws,
            "seed": self.seed,
            **super().get_config(),
        }
