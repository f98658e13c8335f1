"""Random parts of an image, each as large as the whole."""

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
from ..preprocessing.resampling import check_sides
from ..preprocessing.resampling import part_as_whole
from ..preprocessing.resampling import resampled
from .defense_layer import DefenseLayer


@register
class CropRescale(DefenseLayer):
    """Cuts a random part out of each image and scales it to the whole.

    Another part is drawn for each prediction, so that an attention map is that
    of one image. In the paper, 30 predictions vote.

    - **Claimed.** Perturbations depend on where things are.
    - **Broken.** By means over draws
      ([Athalye et al., 2018](https://arxiv.org/abs/1802.00420), section 5.2):
      so this layer is attacked.

    Args:
        size: Side of the part as a share of that of the image; 90/224 in the
            paper, too little for small images.
        draws: Number of draws over which attacks average.
        seed: Integer seed of the draws.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    crops = kad.defenses.CropRescale(size=0.8)
    defended = kad.defenses.defend(model, crops)
    ```

    Reference:
        [Guo et al., 2018](https://arxiv.org/abs/1711.00117), section 3.
    """

    def __init__(
        self,
        size: float = 0.8,
        draws: int = 20,
        seed: int | None = None,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.size = check_number("size", size, 0.0, 1.0, above=True)
        self.draws = check_count("draws", draws)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor) -> Tensor:
        """Returns one part of each image `(batch, height, width, channels)`."""
        x = to_channels_last(images)
        count = ops.shape(x)[0]
        chances = keras.random.uniform((2, count), seed=self.seed_generator)
        weights = []
        for number, side in enumerate(check_sides(x.shape[1:3])):
            length = max(round(self.size * side), 1)
            start = ops.floor(chances[number] * (side - length + 1))
            length = ops.full_like(start, length)
            weights.append(part_as_whole(start, length, side, side))
        return from_channels_last(resampled(x, *weights))

    def how_to_attack(self) -> HowToAttack:
        """Returns the number of draws."""
        return HowToAttack(draws=self.draws)

    def get_config(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "draws": self.draws,
            "seed": self.seed,
            **super().get_config(),
        }
