"""The distance of the attention from that of the clean image."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from ..._arguments import check_number
from ..._registration import register
from ..._typing import Tensor
from ...attention import AttentionMask
from ...attention import AttentionMethod
from ...attention import GradCAM
from ...attention import intersection_over_union
from ...classifier import Classifier
from ...classifier import ClassifierView
from ...losses import PreservationLoss
from ..engine.draws import over_draws
from ..engine.image_gradient import image_gradient
from ..engine.task import Task
from .naming import get
from .naming import named
from .naming import serialize
from .objective import Objective

# The normalization of the maps and the distance that belong to a form.
_FORMS = {
    "map": ("l2", "squared_error"),
    "area": ("max", "mean_absolute_error"),
}


@named("attention_deviation")
@register
class AttentionDeviation(Objective):
    """An objective of the logits, plus the deviation of the attention map.

    `objective(z, y) + weight * d(c, g(x_adv))`, the map `g` taken for the
    class `y`. What the map is compared with, `c`, is the map `g(x)` of the
    clean image, or its area `Att(x)`. The gradient goes through the map: it is
    of second order.

    Args:
        weight: Weight of the deviation.
        objective: The objective of the logits: a name, an `Objective` or a
            function. None maximizes the deviation only.
        form: `"map"`, what the preservation loss minimizes: the sum of
            squared differences of two maps, each divided by its length,
            between 0 and 2. It has no gradient at the clean image, where it
            is least. Or `"area"`, what the authors attack with:
            `mean |Att(x) - g(x_adv)|`, the map divided by its maximum,
            between 0 and 1. It has a gradient everywhere.
        attention: The attention method. None means Grad-CAM as `form` has it,
            at the size of the features.
        distance: A Keras loss of what the map is compared with, and the map.
            None means `PreservationLoss` as `form` has it.
        mask: The `AttentionMask` that tells the area of a map. None means the
            authors': above 0.2 times the maximum.
        stop_at_iou: The area's intersection over union with that of the clean
            image, from 0 to 1, at which an image is left as it is: its
            gradient is zero then. None means never.

    Example:

    ```python
    objective = kad.attacks.objectives.AttentionDeviation(weight=5.0)
    x_adv = kad.attacks.PGD(objective=objective)(model, x, y)

    # The attention-guided transfer attack (ATA), at one layer:
    maps = kad.attention.GradCAM(normalization=None, scale_gradients=False)
    objective = kad.attacks.objectives.AttentionDeviation(attention=maps)
    attack = kad.attacks.MomentumBIM(objective=objective)
    ```

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843);
        for ATA,
        [Wu et al., 2020](https://openaccess.thecvf.com/content_CVPR_2020/html/Wu_Boosting_the_Transferability_of_Adversarial_Samples_via_Attention_CVPR_2020_paper.html).
    """

    #: The gradient of the class score, and that of the images through it.
    passes = (1, 2)

    def __init__(
        self,
        weight: float = 1.0,
        objective: Objective
        | Callable[[Tensor, Tensor], Tensor]
        | str
        | None = "cross_entropy",
        form: str = "map",
        attention: AttentionMethod | None = None,
        distance: keras.losses.Loss | None = None,
        mask: AttentionMask | None = None,
        stop_at_iou: float | None = None,
    ) -> None:
        self.weight = check_number("weight", weight)
        self.objective: Any = None
        if objective is not None:
            self.objective = get(objective).of_logits("AttentionDeviation")
        elif not self.weight:
            raise ValueError(
                "Without an objective the deviation is all there is to "
                f"maximize, but weight={weight}. Give it a weight, or pass an "
                "objective."
            )
        if form not in _FORMS:
            raise ValueError(
                f"`form` should be one of {sorted(_FORMS)}. Received: "
                f"form={form!r}"
            )
        self.form = form
        parts = {"attention": attention, "distance": distance, "mask": mask}
        self._given = {name: _loaded(part) for name, part in parts.items()}
        attention, distance, mask = self._given.values()
        normalization, name = _FORMS[form]
        self.attention = attention or GradCAM(
            normalization=normalization, upsample=False
        )
        self.distance = distance or PreservationLoss(name)
        self.mask = mask or AttentionMask("maximum")
        if stop_at_iou is not None:
            stop_at_iou = check_number("stop_at_iou", stop_at_iou, 0.0, 1.0)
        self.stop_at_iou = stop_at_iou

    def check(self, victim: ClassifierView) -> None:
        check_attention(self, victim)
        self.attention.check_use(victim)
        if self.objective is not None:
            self.objective.check(victim)

    def runs(self, num_classes: int) -> int:
        return self.objective.runs(num_classes) if self.objective else 1

    def reference(self, task: Task) -> Any:
        _, maps = self._explained(task.victim, task.images, task.labels)
        maps = ops.stop_gradient(maps)
        return {
            "map": maps,
            "area": self.mask.area(maps),
            # One weight an image: `AttentionAttack` scales it from step to
            # step.
            "weight": ops.full_like(maps[:, 0, 0], self.weight),
            "objective": self.objective.reference(task)
            if self.objective
            else {},
        }

    def value_and_gradient(
        self, victim: ClassifierView, x: Any, labels: Tensor, reference: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        shape = ops.shape(reference["map"])
        classes = victim.num_classes

        def value(outputs):
            maps = ops.reshape(outputs[:, classes:], shape)
            return self._value(outputs[:, :classes], maps, labels, reference)

        def sample(view):
            def explained(x):
                logits, maps = self._explained(view, x, labels)
                # Both in one tensor: the model runs once.
                maps = ops.reshape(maps, (shape[0], -1))
                return ops.concatenate([logits, maps], axis=-1)

            # `image_gradient` takes outputs of rank two for logits. So the maps
            # travel beside them, and `value` takes both apart again.
            values, gradient, outputs = image_gradient(explained, value, x)
            return values, gradient, outputs[:, :classes]

        return over_draws(victim, sample)

    def _explained(self, victim, images, labels):
        with victim.frozen():
            return self.attention.explain(victim, images, labels)[:2]

    def _value(self, logits, maps, labels, reference):
        distance = self.distance.call(reference[self.form], maps)
        values = reference["weight"] * distance
        if self.objective is not None:
            its = reference["objective"]
            values = values + self.objective.call(logits, labels, its)
        if self.stop_at_iou is None:
            return values
        overlap = intersection_over_union(
            reference["area"], self.mask.area(maps)
        )
        # Without a gradient the step has length zero, in any norm.
        stays = overlap <= self.stop_at_iou
        return ops.where(stays, ops.stop_gradient(values), values)

    def get_config(self) -> dict[str, Any]:
        objective = self.objective
        given = {
            name: part and keras.saving.serialize_keras_object(part)
            for name, part in self._given.items()
        }
        return {
            "weight": self.weight,
            "objective": objective and serialize(objective),
            "form": self.form,
            **given,
            "stop_at_iou": self.stop_at_iou,
        }


def check_attention(objective, victim):
    """Raises a `ValueError` if a victim has no features to look at."""
    if not isinstance(victim, Classifier):
        raise ValueError(
            f"The objective {type(objective).__name__} reads attention from "
            "the layers of a Keras model. Received a function of images. Pass "
            "the Keras model itself."
        )


def _loaded(part):
    if isinstance(part, dict):
        return keras.saving.deserialize_keras_object(part)
    return part
