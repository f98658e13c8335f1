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
    from_logits = model.classifier.ending.activation == "linear"
    accuracy = "accuracy"
    if from_logits and model.classifier.num_outputs == 1:
        accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    model.compile(
        "adam", LabelCrossentropy(from_logits=from_logits), metrics=[accuracy]
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
