"""Settings of a defended model, which may change between two fits."""

import sys
import warnings
from typing import Any

import keras
import numpy as np

from .._arguments import check_count
from ..losses import DistillationLoss
from . import arguments
from .augmentation import check_augmentation


def _classification_weight(model, value):
    if value is None:  # Two halves, or one loss.
        value = 0.5 if model.robust_loss is None else 1.0
    return arguments.weight("classification_weight", value)


# Checked in this order when the model is made, and whenever one is set.
_CHECKS = {
    "robust_loss": lambda model, value: arguments.robust_loss(
        value, model.classifier
    ),
    "attack": lambda model, value: arguments.training_attack(
        value,
        model.robust_loss,
        model.value_range,
        model.classifier.input_shape[1:],
    ),
    "validation_attack": lambda model, value: arguments.validation_attack(
        value,
        model.attack,
        model.value_range,
        model.classifier.input_shape[1:],
    ),
    "attention": lambda model, value: arguments.attention(value),
    "mask": lambda model, value: arguments.mask(value, model.value_range),
    "classification_weight": _classification_weight,
    "rectification_weight": lambda model, value: arguments.masked_weight(
        value, model.attention
    ),
    "preservation_weight": lambda model, value: arguments.weight(
        "preservation_weight", value
    ),
    "rectification_loss": lambda model, value: arguments.rectification_loss(
        value, model.classifier.num_classes
    ),
    "preservation_loss": lambda model, value: arguments.preservation_loss(
        value
    ),
    "preservation_pair": lambda model, value: arguments.pair(
        value, model.attack, model.robust_loss
    ),
    "attention_every": lambda model, value: check_count(
        "attention_every", value
    ),
    "batch_statistics": lambda model, value: arguments.statistics(value),
    "sample_selection": lambda model, value: arguments.sample_selection(value),
    "weight_perturbation": lambda model, value: arguments.perturbation(value),
    "augmentation": lambda model, value: check_augmentation(
        value, model.value_range, model.classifier.num_outputs
    ),
    "adversarial_rounds": lambda model, value: check_count(
        "adversarial_rounds", value
    ),
}
# Layers of the model, in the order of its variables.
_LAYERS = (
    "attack",
    "validation_attack",
    "attention",
    "mask",
    "augmentation",
)
_FIXED = {
    "training_attack": "It is `model.attack = kad.attacks.PGD(...)` now.",
    **dict.fromkeys(
        ("base", "classifier", "value_range"),
        "Make a new model: `kad.AttentionDefendedModel(base, value_range=...)`."
        " It may be around the same `model.base`, whose weights it keeps.",
    ),
}


class Settings:
    """Attributes that are checked when they are set, and obeyed from then on.

    Compiled steps keep what they saw when they were traced. So each entrance
    (`fit`, `evaluate`, ...) calls `refresh`, which has them made again if what
    the configurations of all parts say has changed.
    """

    attack: Any  # None may be given for these, and is never kept.
    attention: Any
    rectification_weight: float
    preservation_weight: float
    preservation_pair: str
    attention_every: int
    batch_statistics: str
    robust_loss: Any
    weight_perturbation: Any

    @property
    def training_attack(self) -> Any:
        """The name of `attack` in earlier versions, and in files of theirs."""
        return self.attack

    @property
    def uses_attention(self) -> bool:
        """Whether an attention loss has a weight."""
        return bool(self.rectification_weight or self.preservation_weight)

    @property
    def compares_noise(self) -> bool:
        """Whether the preservation loss compares with maps of noisy images."""
        return bool(self.preservation_weight) and (
            self.preservation_pair == "noise"
        )

    @property
    def draws_scores(self) -> bool:
        """Whether the preservation loss compares maps of random scores."""
        return bool(self.preservation_weight) and (
            self.attention.score == "random"
        )

    @property
    def maps_both(self) -> bool:
        """Whether a loss needs the maps of clean and adversarial images."""
        return bool(self.rectification_weight) or (
            bool(self.preservation_weight) and not self.compares_noise
        )

    @property
    def needs_clean(self) -> bool:
        """Whether a loss needs what the model makes of clean images."""
        return (
            self.robust_loss is None
            or self.robust_loss.reads_clean
            or isinstance(self.robust_loss, DistillationLoss)  # The teacher.
            or self.maps_both
        )

    @property
    def perturbs_weights(self) -> bool:
        """Whether steps perturb the weights, in the epoch that `fit` is in."""
        perturbation = self.weight_perturbation
        return perturbation is not None and (
            vars(self).get("_epoch", 0) >= perturbation.start_epoch
        )

    def begin_epoch(self, epoch):
        """Obeys what has been set, and what begins with this epoch."""
        vars(self)["_epoch"] = epoch
        self.refresh()

    def __setattr__(self, name, value):
        if name in _FIXED and self._is_complete():
            raise ValueError(
                f"`{name}` of a defended model cannot be set. {_FIXED[name]}"
            )
        if name not in _CHECKS:
            super().__setattr__(name, value)
            return
        if name in ("attack", "classification_weight"):
            # Our own follow a new robust loss, a user's do not.
            vars(self)[f"_{name}_is_default"] = value is None
        value = _CHECKS[name](self, value)
        if not self._is_complete():
            super().__setattr__(name, value)
            return
        used_attention = self.uses_attention
        if name == "attention" and used_attention:
            value.check(self.classifier)
        self._replace(name, value)
        if name == "robust_loss" and (
            self._attack_is_default or arguments.climbs_robust_loss(self.attack)
        ):
            self.attack.objective = arguments.robust_objective(value)
        if name == "robust_loss" and self._classification_weight_is_default:
            self.classification_weight = None
        if self.uses_attention and not used_attention:
            self.attention.check(self.classifier)

    def refresh(self):
        """Obeys what has been set since the steps were compiled."""
        self.classifier.refresh()
        present = self.signature()
        if present == self._seen:
            return
        for name, check in _CHECKS.items():  # The parts may have been changed.
            check(self, getattr(self, name))
        self.note_settings(present)
        # Remade, not removed: `fit` may be in the midst of calling it.
        if self.train_function is not None:
            self.make_train_function(force=True)
        if self.test_function is not None:
            self.make_test_function(force=True)

    def note_settings(self, signature=None):
        """Takes the settings, or present ones, for what steps are made for."""
        # Past Keras, which would track the parts in it.
        vars(self)["_seen"] = signature or self.signature()

    def signature(self):
        """Returns what is equal as long as compiled steps may be kept."""
        parts = [getattr(self, name) for name in _CHECKS]
        parts = [*parts, self.perturbs_weights]
        text = _text([_configuration(part) for part in parts])
        if isinstance(self.robust_loss, DistillationLoss):
            parts.append(_Identical(self.robust_loss.weights()))
        return parts, text

    def _is_complete(self):
        return vars(self).get("built", False)

    def _replace(self, name, value):
        # As `enable_lora` does with the variables of a layer. The order in
        # which layers are tracked is that of the model's variables: so all of
        # them are taken out and tracked again, in the order of a new model.
        self._tracker.unlock()
        try:
            parts = {layer: getattr(self, layer) for layer in _LAYERS}
            for part in parts.values():
                self._tracker.untrack(part)
            if name in parts:
                parts[name] = value
            else:
                super().__setattr__(name, value)
            for layer, part in parts.items():
                super().__setattr__(layer, part)
        finally:
            self._tracker.lock()
        self._note_compiled(value)

    def _note_compiled(self, part):
        # Keras takes a layer that it did not see in `compile` for one that was
        # frozen or thawed since, and warns.
        if self.compiled and isinstance(part, keras.Layer):
            for layer in part._flatten_layers():
                self._compiled_trainable_state.setdefault(
                    layer, layer.trainable
                )


class _Identical:
    """Tensors that equal others only if they are the same objects."""

    def __init__(self, tensors):
        self.tensors = tensors

    def __eq__(self, other):
        if not isinstance(other, _Identical):
            return NotImplemented
        pairs = zip(self.tensors, other.tensors, strict=False)
        same_count = len(self.tensors) == len(other.tensors)
        return same_count and all(own is its for own, its in pairs)

    __hash__ = None  # type: ignore[assignment]


def _configuration(part):
    if isinstance(part, (int, float, str, type(None))):
        return part
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' of lambdas: nothing is saved.
        try:
            return part.get_config()
        except NotImplementedError:  # A user's layer that cannot be saved.
            return None


def _text(configurations):
    # Unlike the configurations, it cannot change with the parts, and arrays in
    # it can be compared.
    with np.printoptions(threshold=sys.maxsize):
        return repr(configurations)
