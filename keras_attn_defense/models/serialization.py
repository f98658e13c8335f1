"""The defended model's arguments, to and from its configuration."""

import keras

_OBJECTS = (
    "base",
    "attack",
    "attention",
    "mask",
    "robust_loss",
    "rectification_loss",
    "preservation_loss",
    "validation_attack",
    "sample_selection",
    "weight_perturbation",
    "augmentation",
)
_VALUES = (
    "classification_weight",
    "rectification_weight",
    "preservation_weight",
    "preservation_pair",
    "attention_every",
    "batch_statistics",
    "adversarial_rounds",
    "value_range",
    "name",
)


def get_config(model):
    """The configuration of an `AttentionDefendedModel`."""
    objects = {name: _serialize(getattr(model, name)) for name in _OBJECTS}
    if model.compiled:  # The optimizer of the base is not the one in use.
        objects["base"].pop("compile_config", None)
    return {**objects, **{value: getattr(model, value) for value in _VALUES}}


def arguments(config):
    """The arguments that a configuration stands for."""
    objects = {name: _deserialize(config.get(name)) for name in _OBJECTS}
    return {**config, **objects}


def _serialize(value):
    return None if value is None else keras.saving.serialize_keras_object(value)


def _deserialize(config):
    if config is None:
        return None
    return keras.saving.deserialize_keras_object(config)
