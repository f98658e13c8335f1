"""Images moved to where their predicted class is surer, before they count."""

from typing import Any
from typing import Self

import keras
from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._backend import repeat
from .._backend import vjp
from .._registration import register
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import Classifier
from ..classifier import HowToAttack
from ..classifier import input_shape
from ..classifier import normalized_pullback
from ..classifier import unheard
from ..preprocessing.preprocessed_classifier import PreprocessedClassifier
from .defense_layer import DefenseLayer
from .defense_layer import identity


@register
class AntiAdversary(DefenseLayer):
    """Takes signed steps down the loss of the class that a guide predicts.

    - **Claimed.** More robustness for any network, without training, at no
      cost in clean accuracy.
    - **Broken.** The loss is close to zero where the steps end, so attacks
      stand still; but images that fool the network alone fool the defended
      one, and nothing is gained
      ([Croce et al., 2022](https://arxiv.org/abs/2202.13711)). Signs do not
      change where the image changes a little, so the slope of all steps is
      one: this is how the layer is attacked.

    Args:
        guide: A built classifier of the same images. None means the one that
            `kad.defenses.defend` puts behind this layer.
        steps: Number of steps; 2 in the paper.
        step_size: Length of a step in the units of the images; 0.15 in the
            paper.
        value_range: `(lower, upper)` bounds of the images.
        name: Name of the layer.

    Example:

    ```python
    steps = kad.defenses.AntiAdversary(steps=2, step_size=0.15)
    defended = kad.defenses.defend(model, steps)
    ```

    Reference:
        [Alfarra et al., 2022](https://arxiv.org/abs/2103.14347), equation (2)
        and algorithm 1; with another network as the guide,
        [Xiao and Zheng, 2020](https://arxiv.org/abs/1911.11219).
    """

    def __init__(
        self,
        guide: keras.Model | None = None,
        steps: int = 2,
        step_size: float = 0.15,
        value_range: ValueRange = (0.0, 1.0),
        name: str | None = None,
    ) -> None:
        super().__init__(value_range, name)
        self.guide = guide
        self.steps = check_count("steps", steps)
        self.step_size = check_number("step_size", step_size)
        self._view = None if guide is None else Classifier(guide)

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Moves images `(batch, height, width, channels)`; none in training."""
        if training:
            return images
        view = self._view
        if view is None:
            raise ValueError(
                "AntiAdversary has no guide yet. Pass one, "
                "`AntiAdversary(guide)`, or put it in front of a model by "
                "`kad.defenses.defend(model, AntiAdversary())`."
            )
        with unheard():
            return self._moved(view, ops.stop_gradient(images))

    def _moved(self, view, images):
        lower, upper = self.value_range
        classes = ops.argmax(view.frozen_logits(images), axis=-1)
        hot = ops.one_hot(classes, view.num_classes, dtype="float32")

        def step(_, x):
            logits, pullback = vjp(view.frozen_logits, x)
            # Of the cross-entropy of the predicted class.
            slope = ops.softmax(ops.stop_gradient(logits), axis=-1) - hot
            gradient = normalized_pullback(pullback)(slope)
            return ops.clip(
                x - self.step_size * ops.sign(gradient), lower, upper
            )

        return repeat(self.steps, step, images)

    def how_to_attack(self) -> HowToAttack:
        """Returns the identity in place of the layer."""
        return HowToAttack(substitute=identity, replaces=self.guide is None)

    def protect(
        self, model: keras.Model, name: str | None = None
    ) -> keras.Model:
        if self.guide is not None:
            return super().protect(model, name)
        self.check(model)
        layer = AntiAdversary.from_config(self.get_config())
        shape = input_shape(model)[1:]
        return SelfGuidedClassifier(model, layer, self.value_range, shape, name)

    def get_config(self) -> dict[str, Any]:
        guide = self.guide
        if guide is not None:
            guide = keras.saving.serialize_keras_object(guide)
        return {
            "guide": guide,
            "steps": self.steps,
            "step_size": self.step_size,
            **super().get_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        guide = config["guide"]
        if isinstance(guide, dict):
            guide = keras.saving.deserialize_keras_object(guide)
        return cls(**{**config, "guide": guide})


@register
class SelfGuidedClassifier(PreprocessedClassifier):
    """A classifier that is the guide of the anti-adversary in front of it.

    Args:
        network: The classifier.
        preprocessing: The `AntiAdversary`.
        value_range: `(lower, upper)` bounds of the images.
        input_shape: Shape `(height, width, channels)` of the images.
        name: Name of the model.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: AntiAdversary,
        value_range: ValueRange,
        input_shape: tuple[int | None, ...],
        name: str | None = None,
    ) -> None:
        # Not an attribute that Keras would track: its weights are the
        # network's, once.
        preprocessing._view = Classifier(network)
        super().__init__(network, preprocessing, value_range, input_shape, name)
