"""How far the attention has moved from that of the clean image."""

import keras
from keras import ops

from ..._registration import register
from ...attention import GradCAM
from ...classifier import Classifier
from ...classifier import frozen
from ...losses import PreservationLoss
from ..arguments import check_positive
from .image_objective import ImageObjective
from .naming import get
from .naming import named
from .naming import serialize


@named("attention_deviation")
@register
class AttentionDeviation(ImageObjective):
    """An objective of the logits, plus the deviation of the attention map.

    `objective(z, y) + weight * d(g(x), g(x_adv))`, both maps taken for the
    class `y`. The gradient goes through the map: it is of second order. The
    deviation by itself has no gradient at the clean image, where it is least.

    Args:
        weight: Weight of the deviation.
        objective: The objective of the logits: a name, an `Objective` or a
            function. None leaves the deviation alone.
        attention: The attention method. None means Grad-CAM divided by its
            length, at the size of the features; the distance lies between 0
            and 2 then.
        distance: A Keras loss of two maps. None means the sum of squared
            differences, `PreservationLoss()`.

    Example:

    >>> attack = PGD(objective=AttentionDeviation(weight=5.0))

    Reference:
        Attention, Please! Adversarial Defense via Activation Rectification
        and Preservation, [Wu et al., 2023](https://doi.org/10.1145/3572843):
        what its preservation loss minimises.
    """

    def __init__(
        self,
        weight=1.0,
        objective="cross_entropy",
        attention=None,
        distance=None,
    ):
        self.weight = check_positive("weight", weight)
        if objective is not None:
            objective = get(objective).of_logits("AttentionDeviation")
        self.objective = objective
        self._given = {"attention": attention, "distance": distance}
        self.attention = attention or GradCAM(
            normalization="l2", upsample=False
        )
        self.distance = distance or PreservationLoss()

    def check(self, victim):
        check_attention(self, victim)
        self.attention.check_use(victim)
        if self.objective is not None:
            self.objective.check(victim)

    def runs(self, num_classes):
        return self.objective.runs(num_classes) if self.objective else 1

    def reference(self, task):
        with frozen(task.victim.variables, task.victim.draw):
            maps = self.attention.explain(
                task.victim, task.images, task.labels
            )[1]
        its = self.objective.reference(task) if self.objective else {}
        return {"maps": ops.stop_gradient(maps), "objective": its}

    def call_on_images(self, victim, x, labels, reference):
        with frozen(victim.variables, victim.draw):
            logits, maps, _ = self.attention.explain(victim, x, labels)
        values = self.weight * self.distance.call(reference["maps"], maps)
        if self.objective is not None:
            its = reference["objective"]
            values = values + self.objective.call(logits, labels, its)
        return values, logits

    def get_config(self):
        objective = self.objective
        given = {
            name: part and keras.saving.serialize_keras_object(part)
            for name, part in self._given.items()
        }
        return {
            "weight": self.weight,
            "objective": objective and serialize(objective),
            **given,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("attention", "distance"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(
                    config[name]
                )
        return cls(**config)


def check_attention(objective, victim):
    """Raises a `ValueError` if a victim has no features to look at."""
    if not isinstance(victim, Classifier):
        raise ValueError(
            f"The objective {type(objective).__name__} reads attention from "
            "the layers of a Keras model. Received a function of images. Pass "
            "the Keras model itself."
        )
