"""Objectives that look at more than the logits."""

from typing import Any

from keras import ops

from ..._arguments import not_defined
from ..._backend import vjp
from ..._registration import register
from ..._typing import Tensor
from ...classifier import ClassifierView
from .objective import Objective


@register
class ImageObjective(Objective):
    """Base class: a function of the images and of the whole model.

    A subclass overrides `call_on_images` instead of `call`.

    Example:

    ```python
    # The margin, less the roughness of the images.
    @keras.saving.register_keras_serializable(package="examples")
    class SmoothMargin(kad.attacks.objectives.ImageObjective):
        def call_on_images(self, victim, x, labels, reference):
            logits = victim.frozen_logits(x)
            steps = keras.ops.square(x[:, 1:] - x[:, :-1])
            rough = keras.ops.mean(steps, axis=(1, 2, 3))
            values = kad.attacks.objectives.margin(logits, labels) - rough
            return values, logits


    x_adv = kad.attacks.PGD(objective=SmoothMargin())(model, x, y)
    ```
    """

    def call_on_images(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> Any:
        """The values to maximize, and the logits.

        Args:
            victim: A classifier view.
            x: Images `(batch, height, width, channels)`.
            labels: Classes `(batch,)`.
            reference: What `reference` returned.

        Returns:
            `(batch,)` and `(batch, classes)`.
        """
        raise not_defined(
            self, "call_on_images", "it returns the values and the logits"
        )

    def value_and_gradient(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        def function(x):
            values, logits = self.call_on_images(victim, x, labels, reference)
            # Both in one tensor: the model runs once.
            return ops.concatenate([values[:, None], logits], axis=-1)

        outputs, pullback = vjp(function, x)
        outputs = ops.stop_gradient(outputs)
        first = ops.zeros_like(outputs[:, 1:])
        first = ops.concatenate([ops.ones_like(outputs[:, :1]), first], axis=-1)
        return outputs[:, 0], pullback(first), outputs[:, 1:]
