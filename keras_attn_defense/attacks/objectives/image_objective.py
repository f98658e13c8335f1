"""Objectives that look at more than the logits."""

from typing import Any

from keras import ops

from ..._backend import vjp
from ..._registration import register
from ..._typing import Tensor
from ...classifier import ClassifierView
from .objective import Objective


@register
class ImageObjective(Objective):
    """Base class: a function of the images and of the whole model.

    A subclass overrides `call_on_images` instead of `call`.
    """

    def call_on_images(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> Any:
        """The values to maximise, and the logits.

        Args:
            victim: A classifier view.
            x: Images `(batch, height, width, channels)`.
            labels: Classes `(batch,)`.
            reference: What `reference` returned.

        Returns:
            `(batch,)` and `(batch, classes)`.
        """
        raise NotImplementedError

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
