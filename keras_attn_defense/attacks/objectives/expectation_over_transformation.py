"""The mean of an objective over random passes and transformations."""

import inspect
from collections.abc import Callable
from typing import Any
from typing import Self

import keras

from ..._arguments import check_count
from ..._registration import register
from ..._typing import Tensor
from ...classifier import ClassifierView
from ...classifier import frozen
from ..engine.draws import mean_over_draws
from ..engine.image_gradient import through
from ..engine.task import Task
from .naming import get
from .naming import serialize
from .objective import Objective


@register
class ExpectationOverTransformation(Objective):
    """The mean over passes of a random model, or of random transformations.

    A model that is random in inference looks robust, because each gradient
    belongs to a network other than that of the next prediction. This objective
    averages values and gradients over several passes, and the probabilities by
    which the images are judged.

    Every step and every sample has random numbers of its own, ahead of the
    seeds of the model and of the transformation. The seeds themselves stay as
    they are, so that an attack meets the same numbers each time it is called.

    Args:
        objective: What is averaged: a name, an `Objective`, or a function;
            see `kad.attacks.objectives`.
        samples: Number of passes; more, if the layers of the attacked model
            declare more (see `kad.defenses.HowToAttack`).
        transformation: Applied to the images before each pass: a Keras layer,
            run in training mode (`keras.layers.RandomRotation(0.1)`), or a
            differentiable function of images. None leaves them as they are.
            A function that draws random numbers by itself draws them in a
            compiled loop: use a layer instead.

    Example:

    ```python
    objective = kad.attacks.objectives.ExpectationOverTransformation(
        samples=5, transformation=layers.GaussianNoise(0.1)
    )
    x_adv = kad.attacks.PGD(objective=objective)(model, x, y)
    ```

    Reference:
        [Athalye et al., 2018](https://arxiv.org/abs/1707.07397), section 2.1.
    """

    def __init__(
        self,
        objective: Objective
        | Callable[[Tensor, Tensor], Tensor]
        | str = "cross_entropy",
        samples: int = 20,
        transformation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.objective = get(objective)
        self.samples = check_count("samples", samples)
        self.transformation = _checked(transformation)
        self.min_classes = self.objective.min_classes
        self.uses_labels = self.objective.uses_labels
        forward, backward = self.objective.passes
        self.passes = (self.samples * forward, self.samples * backward)

    def check(self, victim: ClassifierView) -> None:
        self.objective.check(victim)

    def runs(self, num_classes: int) -> int:
        return self.objective.runs(num_classes)

    def reference(self, task: Task) -> Any:
        return self.objective.reference(task)

    def call(self, logits: Tensor, labels: Tensor, reference: Any) -> Tensor:
        return self.objective.call(logits, labels, reference)

    def value_and_gradient(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        return mean_over_draws(
            victim,
            lambda view: self._sample(view, x, labels, reference),
            self._draws(victim),
        )

    def _draws(self, victim):
        """The number of passes, at least that which the model asks for."""
        return max(self.samples, victim.draws)

    def passes_on(self, victim: ClassifierView) -> tuple[int, int]:
        forward, backward = self.objective.passes
        draws = self._draws(victim)
        return draws * forward, draws * backward

    def _sample(self, victim, x, labels, reference):
        if self.transformation is None:
            return self.objective.value_and_gradient(
                victim, x, labels, reference
            )
        return through(
            lambda x: self._transformed(x, victim.draw),
            self.objective,
            victim,
            x,
            labels,
            reference,
        )

    def _transformed(self, x, draw):
        transformation = self.transformation
        if not isinstance(transformation, keras.layers.Layer):
            return transformation(x)
        # Layers such as RandomRotation are random in training mode only.
        arguments = {}
        if "training" in inspect.signature(transformation.call).parameters:
            arguments["training"] = True
        with frozen(transformation.variables, draw):
            return transformation(x, **arguments)

    def get_config(self) -> dict[str, Any]:
        transformation = self.transformation
        if transformation is not None:
            transformation = keras.saving.serialize_keras_object(transformation)
        return {
            "objective": serialize(self.objective),
            "samples": self.samples,
            "transformation": transformation,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        transformation = config["transformation"]
        if isinstance(transformation, dict):
            transformation = keras.saving.deserialize_keras_object(
                transformation
            )
        return cls(**{**config, "transformation": transformation})


def _checked(transformation):
    if transformation is None or callable(transformation):
        return transformation
    raise ValueError(
        "`transformation` should be a Keras layer or a function of images. "
        f"Received: transformation={transformation!r}"
    )
