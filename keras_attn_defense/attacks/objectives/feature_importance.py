"""What a network goes by, in the features of a layer in its middle."""

from typing import Any

import keras
from keras import ops
from keras import random

from ..._arguments import check_count
from ..._arguments import check_number
from ..._backend import total
from ..._registration import register
from ..._typing import Tensor
from ...attention import FeatureMethod
from ...classifier import ClassifierView
from ...classifier import frozen
from ..engine.task import Task
from .attention_deviation import check_attention
from .objective import ImageObjective


@register
class FeatureImportance(ImageObjective):
    """Takes away the features that speak for the class, for images to transfer.

    `-sum(D * f(x_adv))`, where `f` are the features of a layer and `D` is the
    gradient of the class's logit by them, of length one for each image:
    averaged over copies of the clean image that have lost random values, so
    that what is peculiar to one network cancels, and the object remains. The
    gradient is of first order. Before the first step, `copies` more passes
    are taken, which an `AttackResult` does not count. On four small networks
    it transferred no better than the cross-entropy (`benchmarks/transfer.py`).

    Args:
        layer: The layer of the features: a layer of the model, its name or its
            path. One in the middle: early features are common to all classes,
            late ones belong to this network alone.
        copies: Number of copies.
        drop: Share of the values that each copy has lost: they are at the
            lower bound of the value range. The paper has 0.3, and 0.1 for
            networks that were trained adversarially.
        seed: Integer seed of what is lost.

    Example:

    ```python
    middle = model.layers[1].name
    objective = kad.attacks.objectives.FeatureImportance(middle, seed=0)
    attack = kad.attacks.TransferAttack(16 / 255, objective=objective)
    x_adv = attack(model, x, y)
    ```

    Reference:
        [Wang et al., 2021](https://arxiv.org/abs/2107.14185), equations 4 and
        5.
    """

    def __init__(
        self,
        layer: keras.layers.Layer | str,
        copies: int = 30,
        drop: float = 0.3,
        seed: int | None = None,
    ) -> None:
        self.copies = check_count("copies", copies)
        self.drop = check_number("drop", drop, 0.0, 1.0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.importance = FeatureMethod(layer)
        self.features = _Features(layer)
        if self.features.layer is None or isinstance(self.features.layer, list):
            raise ValueError(
                "`layer` should be one layer, or the name of one. Received: "
                f"layer={layer!r}"
            )

    def check(self, victim: ClassifierView) -> None:
        super().check(victim)
        check_attention(self, victim)
        self.features.check_use(victim)

    def reference(self, task: Task) -> Any:
        lower, _ = task.value_range

        def gradient(number):
            view = task.victim.with_draw(number)
            with frozen([self.seed_generator.state], view.draw):
                chances = random.uniform(
                    ops.shape(task.images), seed=self.seed_generator
                )
            x = ops.where(chances < self.drop, lower, task.images)
            read = _read(self.importance, view, x, task.labels)
            return ops.stop_gradient(read.gradients[0])

        weights = total(self.copies, gradient)
        # Scaled first: squares of small gradients underflow in float32.
        axes = (1, 2, 3)
        largest = ops.max(ops.abs(weights), axis=axes, keepdims=True)
        weights = ops.divide_no_nan(weights, largest)
        squares = ops.sum(ops.square(weights), axis=axes, keepdims=True)
        return {"weights": ops.divide_no_nan(weights, ops.sqrt(squares))}

    def call_on_images(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> Any:
        read = _read(self.features, victim, x, labels)
        values = reference["weights"] * read.features[0]
        return -ops.sum(values, axis=(1, 2, 3)), read.logits

    def get_config(self) -> dict[str, Any]:
        return {
            "layer": self.features.layer,
            "copies": self.copies,
            "drop": self.drop,
            "seed": self.seed,
        }


class _Features(FeatureMethod):
    uses_gradients = False


def _read(method, victim, x, labels):
    with victim.frozen():
        return method.read(victim, x, labels, training=False)
