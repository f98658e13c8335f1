"""Projected gradient descent on where a network looks."""

import keras
from keras import ops

from .._registration import register
from ..attention.resizing import upsampled
from . import schedules
from .objectives import AttentionDeviation
from .pgd import PGD
from .threat_models.confined import Confined


@register
class AttentionAttack(PGD):
    """PGD whose objective adds the deviation of attention.

    It maximises `objective(z, y) + deviation_weight * d(Att(x), g(x_adv))`:
    the attention map `g` for the class `y` is driven away from the attention
    area `Att(x) = g(x) > 0.2 max g(x)` of the clean image. The gradient goes
    through the map and is of second order. Each image is attacked for itself:
    its result does not depend on its neighbours.

    Args:
        epsilon: Radius of the ball, in the units of the images: a number, or
            a pair `(low, high)` drawn from for each batch. None means 8/255
            of the value range.
        step_size: Length of one step; None means `2.5 * epsilon / steps`.
        steps: Number of steps.
        deviation_weight: Weight of the deviation.
        objective: The objective of the logits that it is added to: a name, an
            `Objective` or a function; see `kad.attacks.objectives`. None
            leaves the deviation alone.
        form: `"area"`, what the authors attack with: the mean of
            `|Att(x) - g(x_adv)|`, the map divided by its maximum. `"map"`,
            what the preservation loss minimises: the squared distance of the
            two maps, each divided by its length; it has no gradient at the
            clean image, so that it needs the random start or an objective.
        schedule: How the deviation's weight changes over the steps:
            `"constant"`; `"linear"` or `"cosine"`, from the whole weight down
            to zero; `"switched"`, the whole weight in the first half, zero in
            the second; or a function from the progress, 0 to 1, to the share
            of the weight.
        region: `"inside"` confines the perturbation to the attention area of
            the clean image, `"outside"` keeps it out of there, and None lets
            it change all pixels. An image without an area, whose map is zero,
            is not changed inside of it.
        stop_at_iou: The paper's iteration: an image moves on only while
            its area's intersection over union with `Att(x)` is above this
            (the authors: 0.595). None means that all steps are taken.
        attention: The attention method. None means Grad-CAM as `form` has it,
            at the size of the features.
        mask: The `AttentionMask` that tells the area of a map, for `form`,
            `region` and `stop_at_iou`. None means the authors': above 0.2
            times the maximum.
        random_start: Whether to start at a random point of the ball.
        restarts: Number of runs; the worst result is kept for each image.
        **kwargs: Arguments of every attack: `norm`, `value_range`, `seed`,
            `name`; see `Attack`.

    Example:

    >>> attack = AttentionAttack(epsilon=8 / 255, deviation_weight=10.0)
    >>> x_adv = attack(model, x, y)
    >>> confined = AttentionAttack(objective=None, region="inside")
    >>> model = AttentionDefendedModel(base, attack=AttentionAttack(steps=7))

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843);
        the weight and the area are those of its authors' code.
    """

    def __init__(
        self,
        epsilon=None,
        step_size=None,
        steps=20,
        *,
        deviation_weight=10.0,
        objective="cross_entropy",
        form="area",
        schedule="constant",
        region=None,
        stop_at_iou=None,
        attention=None,
        mask=None,
        **kwargs,
    ):
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
        if self.targeted:
            raise ValueError(
                "AttentionAttack drives the attention away from that for the "
                "true class, so it cannot be targeted. For an objective of "
                "your own use PGD(objective=AttentionDeviation(...))."
            )
        self.schedule = schedules.get(schedule)
        self.region = _checked_region(region, deviation.mask)

    def reference(self, task):
        reference = super().reference(task)
        if self.region is None:
            return reference
        maps = upsampled(reference["map"], task.images)
        area = self.objective.mask.area(maps) > 0
        area = area if self.region == "inside" else ops.logical_not(area)
        first = keras.config.image_data_format() == "channels_first"
        return {
            **reference,
            "region": ops.expand_dims(area, 1 if first else -1),
        }

    def perturbation_set(self, reference):
        if self.region is None:
            return self.ball
        return Confined(self.ball, reference["region"])

    def gradient(self, task, x, reference, i):
        progress = ops.cast(i, "float32") / max(self.steps - 1, 1)
        weight = self.schedule(progress) * reference["weight"]
        return super().gradient(task, x, {**reference, "weight": weight}, i)

    def get_config(self):
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
