"""JPEG and a network that undoes its marks, several times."""

from typing import Any

import keras

from .._arguments import check_count
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import HowToAttack
from ..data import from_channels_last
from ..data import to_channels_last
from .jpeg_compression import JPEGCompression
from .networks import u_net
from .purifier import Purifier


@register
class CompressAndRestore(Purifier):
    """Compresses images as JPEG and restores them, several times in a row.

    A network learns to undo what JPEG does to clean images. The quality of
    each file is drawn at random.

    - **Claimed.** What is restored is close to the clean image, and attacks
      cannot know the quality of the files.
    - **Broken.** Nobody has published an attack on it; but all it is made of
      has been: JPEG by a substitute without rounding, what is random by means
      over draws, the network by its own gradient. So this layer is attacked.

    Args:
        quality: Quality of the files, `(lowest, highest)` or one number.
        repeats: How often images are compressed and restored.
        filters: Channels of the first level of the U-Net that restores.
        levels: Number of times the U-Net halves the image.
        draws: Number of draws over which attacks average.
        seed: Integer seed of the draws.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    restorer = kad.defenses.CompressAndRestore(filters=4)
    restorer.learn(x, epochs=1)
    defended = kad.defenses.defend(model, restorer)
    ```

    Reference:
        [Ferrari et al., 2023](https://doi.org/10.1145/3524619), with a U-Net
        that is trained by the squared error in place of their GAN.
    """

    def __init__(
        self,
        quality: int | tuple[int, int] = (20, 60),
        repeats: int = 2,
        filters: int = 16,
        levels: int = 2,
        draws: int = 10,
        seed: int | None = None,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.repeats = check_count("repeats", repeats)
        self.filters = check_count("filters", filters)
        self.levels = check_count("levels", levels)
        self.jpeg = JPEGCompression(quality, draws=draws, seed=seed)
        self.quality = self.jpeg.quality
        self.seed = seed

    @property
    def draws(self) -> int:
        """The number of draws over which attacks average."""
        return self.jpeg.draws

    @draws.setter
    def draws(self, draws: int) -> None:
        self.jpeg.draws = check_count("draws", draws)

    def make_network(self, shape: tuple[int | None, ...]) -> keras.Model:
        return u_net(shape, self.filters, self.levels)

    def clean(self, x: Tensor, training: bool = False) -> Tensor:
        for _ in range(self.repeats):
            compressed = self.compressed(x)
            x = compressed + self.network(compressed, training=training)
        return x

    def compressed(self, x: Tensor) -> Tensor:
        """Compresses images with values from 0 to 1, channels last."""
        return to_channels_last(self.jpeg(from_channels_last(x)))

    def how_to_attack(self) -> HowToAttack:
        """Returns the number of draws; JPEG inside has its own substitute."""
        return self.jpeg.how_to_attack()._replace(substitute=None)

    def learn(
        self,
        x: Tensor,
        epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        verbose: int = 0,
    ) -> dict[str, list[float]]:
        """Trains the network to undo what JPEG does to clean images.

        Args:
            x: Clean images `(num, height, width, channels)`.
            epochs: Number of epochs.
            batch_size: Images in one step.
            learning_rate: That of Adam at first; it falls to zero.
            verbose: As in `keras.Model.fit`.

        Returns:
            The history of the loss.
        """
        images = self.unit_images(x)
        return self.fitted(
            _Restored(self),
            images,
            images,
            "mean_squared_error",
            epochs,
            batch_size,
            learning_rate,
            verbose,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "quality": self.quality,
            "repeats": self.repeats,
            "filters": self.filters,
            "levels": self.levels,
            "draws": self.draws,
            "seed": self.seed,
            **super().get_config(),
        }


class _Restored(keras.Model):
    """Images that were compressed once and restored.

    Args:
        purifier: The `CompressAndRestore`.
    """

    def __init__(self, purifier):
        super().__init__(name="trainer")
        self.purifier = purifier

    def call(self, x, training=False):
        compressed = self.purifier.compressed(x)
        return compressed + self.purifier.network(compressed, training=training)
