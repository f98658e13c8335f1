"""The objective that a defended model brings along."""

from typing import Any

from ..._registration import register
from ..._typing import Tensor
from ...classifier import ClassifierView
from ..engine.task import Task
from .naming import named
from .objective import ImageObjective


@named("defense")
@register
class Defense(ImageObjective):
    """The training loss of the attacked model, its attention included.

    The adaptive attack on an `AttentionDefendedModel`: the weighted sum of its
    classification, rectification and preservation losses. To attack its base
    alone, pass `objective=model.adaptive_objective`.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(model)
    x_adv = kad.attacks.PGD(objective="defense")(defended, x, y)
    ```
    """

    def check(self, victim: ClassifierView) -> None:
        if getattr(victim.model, "adaptive_objective", None) is None:
            raise ValueError(
                "objective='defense' attacks the training losses of an "
                "`AttentionDefendedModel`. Received a model of type "
                f"{type(victim.model).__name__}, which has none. Pass the "
                "defended model, or objective=model.adaptive_objective to "
                "attack its base."
            )
        victim.model.adaptive_objective.check(victim)

    def reference(self, task: Task) -> Any:
        return task.victim.model.adaptive_objective.reference(task)

    def call_on_images(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> Any:
        return victim.model.adaptive_objective.call_on_images(
            victim, x, labels, reference
        )
