"""Projected gradient descent on where a network looks."""

from collections.abc import Callable
from typing import Any

from keras import ops

from .._registration import register
from .._typing import Tensor
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..attention.resizing import upsampled
from ..data import channel_axis
from . import schedules
from .arguments import refuse_targeted
from .engine.task import Task
from .objectives import AttentionDeviation
from .objectives.objective import Objective
from .perturbation_sets.perturbation_set import Confined
from .pgd import PGD


@register
class AttentionAttack(PGD):
    """PGD whose objective adds the deviation of attention.

    It maximizes `objective(z, y) + deviation_weight * d`, where `d` is the
    distance of the attention map `g(x_adv)` for the class `y` from that of the
    clean image. The gradient goes through the map and is of second order. Each
    image is attacked on its own: its result does not depend on its neighbors.

    With the defaults it breaks about as many images as PGD in as many passes,
    and moves the attention further. It does not break more of them: the two
    aims compete. The slope of the cross-entropy is close to zero where a
    network is sure, so the deviation takes over and many images resist; the
    slope of the margin is not. A smaller weight moves the attention less, a
    larger one breaks fewer images (`benchmarks/attention_attack.py`).

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps, each of one forward and two backward passes.
        deviation_weight: Weight of the deviation. With zero, this is PGD.
        objective: The objective of the logits that it is added to: a name, an
            `Objective` or a function; see `kad.attacks.objectives`. None
            maximizes the deviation only.
        form: `"map"`, what the preservation loss minimizes: the squared
            distance of the two maps, each divided by its length. It has no
            gradient at the clean image, so that it needs the random start or
            an objective. Or `"area"`, what the authors attack with: the mean
            of `|Att(x) - g(x_adv)|`, where `Att(x) = g(x) > 0.2 max g(x)` is
            the attention area of the clean image and maps are divided by
            their maximum. Theirs is `form="area", objective="cross_entropy"`.
        schedule: How the deviation's weight changes over the steps:
            `"constant"`; `"linear"` or `"cosine"`, from the whole weight down
            to zero; `"switched"`, the whole weight in the first half, zero in
            the second; `"alternating"`, the whole weight at every second
            step, zero between; or a function `(step, steps)` that returns the
            share of the weight at a step, counted from 0.
        region: `"inside"` confines the perturbation to the attention area of
            the clean image, `"outside"` keeps it out of there, and None lets
            it change all pixels. An image without an area, whose map is zero,
            is not changed inside of it.
        stop_at_iou: The paper's iteration: an image moves on only while the
            intersection over union of its area with that of the clean image
            is above this (the authors: 0.595). None takes all steps.
        attention: The attention method. None means Grad-CAM as `form` has it,
            at the size of the features.
        mask: The `AttentionMask` that tells the area of a map, for `form`,
            `region` and `stop_at_iou`. None means the authors': above 0.2
            times the maximum.
        random_start: As in `GradientAttack`.
        restarts: Number of runs; the worst result is kept for each image.
        **kwargs: Arguments of every attack: `norm`, `value_range`, `seed`,
            `name`; see `Attack`.

    Example:

    ```python
    attack = kad.attacks.AttentionAttack(epsilon=8 / 255, steps=20)
    x_adv = attack(model, x, y)

    # Only inside the attention area, by the deviation alone:
    confined = kad.attacks.AttentionAttack(objective=None, region="inside")
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843);
        the weight and the area are those of its authors' code.
    """

    objective: AttentionDeviation

    def __init__(
        self,
        epsilon: float | None = None,
        step_size: float | None = None,
        steps: int = 20,
        *,
        deviation_weight: float = 10.0,
        objective: Objective
        | Callable[[Tensor, Tensor], Tensor]
        | str
        | None = "margin",
        form: str = "map",
        schedule: str = "constant",
        region: str | None = None,
        stop_at_iou: float | None = None,
        attention: AttentionMethod | None = None,
        mask: AttentionMask | None = None,
        **kwargs: Any,
    ) -> None:
        deviation = AttentionDeviation(
            deviation_weight,
            objective,
            form,
            attention,
            mask=mask,
            stop_at_iou=stop_at_iou,
        )
        super().__init__(
            epsilon, step_size, steps, objective=deviation, **kwargs
        )
        refuse_targeted(
            self,
            "drives the attention away from that for the true class, so it "
            "cannot be targeted. For an objective of your own use "
            "PGD(objective=AttentionDeviation(...)).",
        )
        if objective is None and form == "map" and not self.random_start:
            raise ValueError(
                "At the clean image the squared distance of two maps has no "
                "gradient: the attack would stay there. Pass "
                "random_start=True, form='area' or an objective."
            )
        self.schedule = schedules.get(schedule)
        self.region = _checked_region(region, deviation.mask)

    def reference(self, task: Task) -> Any:
        reference = super().reference(task)
        if self.region is None:
            return reference
        # The region is that of the clean image, and stays through all steps.
        # Maps `(batch, rows, columns)` may have the size of the features.
        # Scaled up to that of the images, the area gets an axis that broadcasts
        # over the channels.
        maps = upsampled(reference["map"], task.images)
        area = self.objective.mask.area(maps) > 0
        area = area if self.region == "inside" else ops.logical_not(area)
        return {
            **reference,
            "region": ops.expand_dims(area, channel_axis()),
        }

    def perturbation_set(self, reference: Any) -> Any:
        if self.region is None:
            return self.ball
        return Confined(self.ball, reference["region"])

    def gradient(self, task: Task, x: Any, reference: Any, i: int) -> Any:
        # The schedule moves the weight of the deviation from step to step.
        share = self.schedule(ops.cast(i, "float32"), self.steps)
        weight = share * reference["weight"]
        return super().gradient(task, x, {**reference, "weight": weight}, i)

    def get_config(self) -> dict[str, Any]:
        deviation = self.objective.get_config()
        deviation["deviation_weight"] = deviation.pop("weight")
        del deviation["distance"]
        return {
            **super().get_config(),
            **deviation,
            "schedule": schedules.serialize(self.schedule),
            "region": self.region,
        }


def _checked_region(region, mask):
    if region not in (None, "inside", "outside"):
        raise ValueError(
            "`region` should be 'inside' or 'outside' of the attention area, "
            f"or None. Received: region={region!r}"
        )
    if region and mask.mode == "soft":
        raise ValueError(
            f"region={region!r} needs an area with a border, but the mask is "
            "soft. Pass mask=AttentionMask(..., mode='hard')."
        )
    return region
