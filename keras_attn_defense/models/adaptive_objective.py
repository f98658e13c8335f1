"""The objective of an attacker who knows the defense."""

import keras
from keras import ops

from .._registration import register
from ..attacks.objectives import ImageObjective
from ..attacks.objectives import cross_entropy
from ..attacks.objectives.attention_deviation import check_attention
from ..losses import DebiasedRectificationLoss
from .reading import explained_classes
from .reading import teacher_maps

_PARTS = ("attention", "mask", "rectification_loss", "preservation_loss")


@register
class AdaptiveObjective(ImageObjective):
    """The training loss of a defended model, as an attack's objective.

    `w_c * L_c + w_r * L_r + w_p * L_p` of each image, so that the attention
    terms are attacked too. Terms of weight zero are left out.

    Args:
        attention: The attention method.
        mask: The `AttentionMask`.
        rectification_loss: The loss of the prediction on the rest.
        preservation_loss: The loss of two maps.
        weights: Weights of the classification, rectification and preservation
            losses.
        distillation: A `DistillationLoss` whose teacher has the map that the
            attacked one is compared with; None means the clean image's.

    Example:

    ```python
    defended = kad.AttentionDefendedModel(model)
    attack = kad.attacks.APGD(objective=defended.adaptive_objective)
    ```
    """

    def __init__(
        self,
        attention,
        mask,
        rectification_loss,
        preservation_loss,
        weights=(8.0, 4.0, 1.0),
        distillation=None,
    ):
        self.attention = attention
        self.mask = mask
        self.rectification_loss = rectification_loss
        self.preservation_loss = preservation_loss
        self.weights = tuple(weights)
        self.distillation = distillation
        # The masked image is a second pass, unless the target is fixed; the
        # teacher's map is one more.
        passes = 2 if self.weights[1] and not self._has_target() else 1
        passes += distillation is not None
        self.passes = (passes, passes)

    @classmethod
    def of(cls, model):
        """The objective of an `AttentionDefendedModel`."""
        weights = (
            model.classification_weight,
            model.rectification_weight,
            model.preservation_weight,
        )
        taught = weights[2] and model.preservation_pair == "teacher"
        return cls(
            *(getattr(model, part) for part in _PARTS),
            weights,
            distillation=model.robust_loss if taught else None,
        )

    def check(self, victim):
        check_attention(self, victim)
        self.attention.check_use(victim)

    def reference(self, task):
        with task.victim.frozen():
            logits, maps = self.attention.explain(
                task.victim, task.images, task.labels
            )[:2]
            reference = {"maps": maps, "logits": logits}
            if self._has_target():
                rest = task.victim(self.mask(task.images, maps))[0]
                reference["target"] = (logits, rest)
        return keras.tree.map_structure(ops.stop_gradient, reference)

    def call_on_images(self, victim, x, labels, reference):
        classification, rectification, preservation = self.weights
        # The clean image chooses the strongest other class, as in training.
        classes = explained_classes(
            self.attention, labels, lambda _: reference["logits"]
        )
        with victim.frozen():
            logits, maps = self.attention.explain(victim, x, classes)[:2]
            values = classification * cross_entropy(logits, labels)
            if rectification:
                # The two arguments of the loss: a target of the clean image,
                # which no step changes, or the attacked image with and without
                # its area.
                pair = reference.get("target"), logits
                if not self._has_target():
                    pair = logits, victim(self.mask(x, maps))[0]
                loss = self.rectification_loss.call(*pair)
                values = values + rectification * loss
        if preservation:
            compared = reference["maps"]
            if self.distillation is not None:
                teacher = self.distillation.required_teacher()
                compared = teacher_maps(
                    self.attention, teacher, x, classes, maps
                )
            loss = self.preservation_loss.call(compared, maps)
            values = values + preservation * loss
        return values, logits

    def _has_target(self):
        """Tells whether the rest of the clean image gives a fixed target."""
        loss = self.rectification_loss
        return bool(self.weights[1]) and isinstance(
            loss, DebiasedRectificationLoss
        )

    def get_config(self):
        serialized = keras.saving.serialize_keras_object
        parts = {part: serialized(getattr(self, part)) for part in _PARTS}
        loss = self.distillation
        return {
            **parts,
            "weights": self.weights,
            "distillation": loss and serialized(loss),
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            name: part and keras.saving.deserialize_keras_object(part)
            for name, part in config.items()
            if name != "weights"
        }
        return cls(**parts, weights=config["weights"])
