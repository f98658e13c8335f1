"""A U-Net that predicts the perturbation, taught by the classifier."""

from typing import Any

import keras

from .._arguments import check_count
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..attacks import Attack
from ..classifier import Classifier
from ..classifier.predictor import Predictor
from .networks import u_net
from .purifier import Purifier


@register
class GuidedDenoiser(Purifier):
    """A denoiser whose errors are measured in the classifier's logits (HGD).

    A U-Net predicts the perturbation, which is taken off the image. It is
    trained to make the classifier's logits of adversarial images those of
    the clean ones; the classifier stays as it is.

    - **Claimed.** First among the defenses of NIPS 2017: robust against attacks
      that know the network, and against those that do not.
    - **Broken.** The denoiser can be differentiated. PGD through both reaches
      its target for every image at 4/255 on ImageNet
      ([Athalye and Carlini, 2018](https://arxiv.org/abs/1804.03286)): this is
      how attacks see it here.

    Args:
        filters: Channels of the first level of the U-Net, doubled from level
            to level.
        levels: Number of times the image is halved.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    denoiser = kad.defenses.GuidedDenoiser(filters=4)
    denoiser.learn(model, x, y, attack=kad.attacks.FGSM(), epochs=1)
    defended = kad.defenses.defend(model, denoiser)
    ```

    Reference:
        [Liao et al., 2018](https://arxiv.org/abs/1712.02976), section 3: the
        denoising U-Net with the logits-guided loss, smaller.
    """

    def __init__(
        self,
        filters: int = 16,
        levels: int = 2,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.filters = check_count("filters", filters)
        self.levels = check_count("levels", levels)

    def make_network(self, shape: tuple[int | None, ...]) -> keras.Model:
        return u_net(shape, self.filters, self.levels)

    def clean(self, x: Tensor, training: bool = False) -> Tensor:
        return x - self.network(x, training=training)

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
        """Trains the denoiser on adversarial images.

        Args:
            model: The classifier, built and trained. It is not changed.
            x: Clean images `(num, height, width, channels)`.
            y: Their labels. None attacks the classes that are predicted.
            attack: What crafts the adversarial images, on the classifier
                alone. None means `PGD` with 10 steps.
            epochs: Number of epochs.
            batch_size: Images in one step.
            learning_rate: That of Adam at first; it falls to zero.
            verbose: As in `keras.Model.fit`.

        Returns:
            The history of the loss.
        """
        attacked = self.unit_images(
            self.attacked(model, x, y, attack, batch_size)
        )
        view = Classifier(model)
        clean = self.images(self.unit_images(x))
        logits = Predictor(view, batch_size).logits(clean)
        return self.fitted(
            _Guided(self, view),
            attacked,
            logits,
            "mean_absolute_error",
            epochs,
            batch_size,
            learning_rate,
            verbose,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "filters": self.filters,
            "levels": self.levels,
            **super().get_config(),
        }


class _Guided(keras.Model):
    """A classifier's logits of images that were cleaned.

    Args:
        purifier: The denoiser.
        view: The classifier, which Keras does not see, and does not train.
    """

    def __init__(self, purifier, view):
        super().__init__(name="trainer")
        self.purifier = purifier
        self._view = view

    def call(self, x, training=False):
        cleaned = self.purifier.clean(x, training)
        return self._view.frozen_logits(self.purifier.images(cleaned))
