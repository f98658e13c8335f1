"""DeepFool: across the nearest of the linearized class boundaries."""

from typing import Any

from keras import ops

from .._arguments import check_count
from .._arguments import check_number
from .._registration import register
from .._typing import Norm
from .._typing import Tensor
from .._typing import ValueRange
from ..classifier import ClassifierView
from .arguments import check_norm
from .arguments import refuse_targeted
from .engine.draws import expected_logits
from .engine.task import Task
from .hyperplanes import nearest_boundary
from .objectives.margin import others
from .search_attack import SearchAttack

# How far beyond the boundary each step goes, as a share of the value range:
# rounding would stop short of it.
_BEYOND = 1e-4


@register
class DeepFool(SearchAttack):
    """DeepFool: the smallest step across the nearest class boundary.

    Takes the logits as linear and steps to the nearest boundary between the
    true class and one of the strongest others, again and again until the class
    changes. It finds small perturbations fast, not the smallest.

    Args:
        epsilon: None returns the perturbation found, however large; a number
            projects it to the ball of that radius, in the units of the images.
        steps: Largest number of steps.
        overshoot: The share by which the perturbation is made longer.
        candidates: How many of the strongest classes of the clean image are
            looked at, the true one included.
        norm: `"l2"` or `"linf"`, in which the step is smallest.
        **kwargs: Arguments of every attack: `value_range`, `name`; see
            `Attack`.

    Example:

    ```python
    x_adv = kad.attacks.DeepFool(norm="l2")(model, x, y)
    ```

    Reference:
        [Moosavi-Dezfooli et al., 2016](https://arxiv.org/abs/1511.04599),
        algorithm 2 and, for other norms, section 3.3.
    """

    minimal = True
    passes_to_begin = (1, 0)
    # A backward pass for each rival: see `run_batches`.
    passes_of_step = (2, 1)

    def __init__(
        self,
        epsilon: float | None = None,
        steps: int = 50,
        *,
        overshoot: float = 0.02,
        candidates: int = 10,
        norm: Norm = "l2",
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon, steps, norm=norm, **kwargs)
        check_norm(self, ("l2", "linf"))
        refuse_targeted(
            self,
            "looks for the nearest other class and cannot be targeted. Use "
            "`CarliniWagner(targeted=True)`.",
        )
        self.overshoot = check_number("overshoot", overshoot)
        # The true class is one of them.
        self.candidates = check_count("candidates", candidates, lowest=2)

    def begin(self, task: Task) -> dict[str, Any]:
        logits = expected_logits(task.victim, task.images)
        ranked = ops.argsort(-others(logits, task.labels), axis=-1)
        rivals = ranked[:, : self._rivals(logits.shape[-1])]
        success = task.is_success(logits)
        return {
            "x": task.images,
            "perturbation": ops.zeros_like(task.images),
            "rivals": ops.cast(rivals, "int32"),
            "adversarial": task.images,
            "score": ops.zeros_like(logits[:, 0]),
            "found": success,
            "success": success,
        }

    def step(
        self, task: Task, state: Any, count: Tensor, draws: Any
    ) -> dict[str, Any]:
        lower, upper = task.value_range
        _, gradient, distance = nearest_boundary(
            task.victim, state["x"], task.labels, state["rivals"], self.ball
        )
        distance = distance + _BEYOND * (upper - lower)
        # The shortest way to the plane: its distance, along the direction of
        # norm one that raises the rival's lead fastest.
        step = self.ball.ascent_direction(gradient)
        perturbation = (
            state["perturbation"] + distance[:, None, None, None] * step
        )
        # The overshoot lengthens the sum of all steps, not each of them. Next
        # to it, `perturbation` keeps the sum without overshoot, and without the
        # bounds.
        x = task.images + (1.0 + self.overshoot) * perturbation
        x = ops.clip(x, lower, upper)
        success = task.is_success(expected_logits(task.victim, x))
        size = self.ball.norm(x - task.images)
        project = self.ball.projection(
            task.images, task.epsilon, task.value_range
        )
        return {
            **state,
            "x": x,
            "perturbation": perturbation,
            "adversarial": project(x),
            "score": -size,
            "found": success & (size <= task.epsilon),
            "success": success,
        }

    def finished(self, state: Any) -> Tensor:
        return state["success"]

    def _rivals(self, num_classes):
        return min(self.candidates, num_classes) - 1

    def run_batches(
        self,
        victim: ClassifierView,
        value_range: ValueRange,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
    ) -> Any:
        result = super().run_batches(
            victim, value_range, images, labels, batch_size
        )
        rivals = self._rivals(victim.num_classes)
        return result._replace(backward_passes=result.backward_passes * rivals)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "overshoot": self.overshoot,
            "candidates": self.candidates,
        }
