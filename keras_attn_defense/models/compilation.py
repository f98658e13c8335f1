"""Compile settings for a defended model that nobody compiled yet."""

import warnings

import keras

from ..losses import LabelCrossentropy


def default_compile(model):
    """Compiles as the base is compiled, or else as fits the base's output.

    Args:
        model: An `AttentionDefendedModel`.
    """
    if getattr(model.base, "compiled", False):
        _adopt(model)
        return
    loss, accuracy = fitting_loss(model), "accuracy"
    if loss.from_logits and model.classifier.num_outputs == 1:
        accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    model.compile("adam", loss, metrics=[accuracy])


def compile_loss(model):
    """Adds the fitting loss to what was compiled without one."""
    config = keras.saving.deserialize_keras_object(model.get_compile_config())
    model.compile(
        **{**config, "optimizer": model.optimizer, "loss": fitting_loss(model)}
    )


def fitting_loss(model):
    """The cross-entropy of the base's output and of labels of any form."""
    from_logits = model.classifier.ending.activation == "linear"
    return LabelCrossentropy(from_logits=from_logits)


def check_one_hot_compilation(model):
    """Checks that loss and metrics can see one-hot or soft labels.

    Args:
        model: A compiled `AttentionDefendedModel`.

    Raises:
        ValueError: If one of them takes class indices only.
    """
    config = model.get_compile_config() or {}
    for part in ("loss", "metrics", "weighted_metrics"):
        if "sparse" in repr(config.get(part)).lower():
            raise ValueError(
                f"The model is compiled with {part}={config[part]!r}, which "
                "takes class indices, but the labels are one-hot or soft: they "
                "came so, or `augmentation` makes them so. `compile` without "
                "a loss, with 'categorical_crossentropy', and with "
                "metrics=['accuracy']."
            )


def _adopt(model):
    try:
        model.compile_from_config(model.base.get_compile_config())
    except (TypeError, ValueError) as error:
        raise ValueError(
            "The compile settings of the base could not be copied. Call "
            "`compile` on the AttentionDefendedModel before `fit`. The reason "
            f"was: {error}"
        ) from error
    if isinstance(model.optimizer, keras.optimizers.SGD):
        scale = 2 * model.classification_weight
        warnings.warn(
            "The base's optimizer, SGD, is taken over with its learning rate. "
            f"The weighted loss of both images is about {scale:.0f} times the "
            "plain one; `compile` the AttentionDefendedModel with a learning "
            "rate divided by that.",
            stacklevel=4,
        )
