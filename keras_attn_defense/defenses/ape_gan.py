"""A generator that makes adversarial images look like clean ones."""

from typing import Any

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import FGSM
from ..attacks import Attack
from .networks import discriminator
from .networks import u_net
from .purifier import Purifier


@register
class APEGAN(Purifier):
    """A generator trained against a discriminator to restore images (APE-GAN).

    It learns to give the clean image for the adversarial one, in the squared
    error and for a discriminator that learns to tell the two apart.

    - **Claimed.** Much lower errors under the attacks of its time, without
      any change of the network.
    - **Broken.** The generator can be differentiated, and attacks go through
      it ([Carlini and Wagner, 2017](https://arxiv.org/abs/1711.08478)): this
      is how attacks see it here.

    Args:
        filters: Channels of the first level of the generator and of the
            discriminator.
        levels: Number of times the generator halves the image.
        pixel_weight: Weight of the squared error, in levels of a byte; 0.7 in
            the paper.
        adversarial_weight: Weight of what the discriminator says; 0.3 in the
            paper.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    generator = kad.defenses.APEGAN(filters=4)
    generator.learn(model, x, y, epochs=1)
    defended = kad.defenses.defend(model, generator)
    ```

    Reference:
        [Shen et al., 2017](https://arxiv.org/abs/1707.05474), section 3; the
        generator is a U-Net that predicts the change, and both networks are
        trained in one step, by their minimax loss.
    """

    def __init__(
        self,
        filters: int = 16,
        levels: int = 2,
        pixel_weight: float = 0.7,
        adversarial_weight: float = 0.3,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.filters = check_count("filters", filters)
        self.levels = check_count("levels", levels)
        self.pixel_weight = check_number("pixel_weight", pixel_weight)
        self.adversarial_weight = check_number(
            "adversarial_weight", adversarial_weight
        )

    def make_network(self, shape: tuple[int | None, ...]) -> keras.Model:
        return u_net(shape, self.filters, self.levels)

    def clean(self, x: Tensor, training: bool = False) -> Tensor:
        return x + self.network(x, training=training)

    def learn(
        self,
        model: keras.Model,
        x: Tensor,
        y: Tensor | None = None,
        attack: Attack | None = None,
        epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        verbose: int = 0,
    ) -> dict[str, list[float]]:
        """Trains the generator on pairs of adversarial and clean images.

        Args:
            model: The classifier, built and trained. It is not changed.
            x: Clean images `(num, height, width, channels)`.
            y: Their labels. None attacks the classes that are predicted.
            attack: What crafts the adversarial images. None means `FGSM`, as
                in the paper.
            epochs: Number of epochs.
            batch_size: Images in one step.
            learning_rate: That of Adam at first; it falls to zero.
            verbose: As in `keras.Model.fit`.

        Returns:
            The history of the loss.
        """
        attack = attack or FGSM(value_range=self.value_range)
        attacked = self.attacked(model, x, y, attack, batch_size)
        pairs = {
            "adversarial": self.unit_images(attacked),
            "clean": self.unit_images(x),
        }
        return self.fitted(
            _Duel(self, pairs["clean"].shape[1:]),
            pairs,
            None,
            None,
            epochs,
            batch_size,
            learning_rate,
            verbose,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "filters": self.filters,
            "levels": self.levels,
            "pixel_weight": self.pixel_weight,
            "adversarial_weight": self.adversarial_weight,
            **super().get_config(),
        }


class _Duel(keras.Model):
    """Generator and discriminator, in one step.

    Args:
        purifier: The generator.
        shape: `(height, width, channels)` of the images.
    """

    def __init__(self, purifier, shape):
        super().__init__(name="trainer")
        self.purifier = purifier
        self.discriminator = discriminator(shape, purifier.filters)

    def call(self, pairs, training=False):
        clean = pairs["clean"]
        restored = self.purifier.clean(pairs["adversarial"], training)
        error = ops.mean(ops.square(255.0 * (restored - clean)))
        self.add_loss(self.purifier.pixel_weight * error)
        # The same value, whose gradient drives the generator the other way.
        weight = self.purifier.adversarial_weight
        fake = ops.stop_gradient((1.0 + weight) * restored) - weight * restored
        said_of_clean = self.discriminator(clean)
        said_of_fake = self.discriminator(fake)
        self.add_loss(
            ops.mean(ops.softplus(-said_of_clean))
            + ops.mean(ops.softplus(said_of_fake))
        )
        return restored
