"""Compile settings of a defended model, and the labels that they take."""

import warnings

import keras

from .._backend import SUPPORTS_JIT
from ..classifier import has_columns
from ..losses import LabelCrossentropy


def ensure_compiled(model):
    """Compiles a model of which nobody has, and adds a loss where none is.

    Args:
        model: An `AttentionDefendedModel`.

    Raises:
        ValueError: If the model cannot be trained as it is compiled.
    """
    if not model.compiled:
        _default_compile(model)
    if model.loss is None:
        _compile_loss(model)
    if model.jit_compile and not SUPPORTS_JIT:
        raise ValueError(
            "`jit_compile=True` is not possible on this backend: "
            "torch.compile has no second derivatives. Use "
            "`compile(..., jit_compile=False)`."
        )


def settle_labels(model, labels):
    """Notes the form of labels that loss and metrics are built for.

    Keras builds them for the labels of the first step. Class indices can be
    turned into rows later on, for those that were built for rows.

    Args:
        model: A compiled `AttentionDefendedModel`.
        labels: Labels of the first batch.

    Raises:
        ValueError: If loss or metrics do not take these labels.
    """
    if model.classifier.num_outputs == 1:
        return
    is_one_hot = has_columns(labels, model.classifier.num_classes)
    if model.train_function is None and model.test_function is None:
        model.one_hot_labels = is_one_hot or bool(model.augmentation)
    if is_one_hot and not model.one_hot_labels:
        raise ValueError(
            "The labels are one-hot or soft, but the metrics were built for "
            "class indices, by the `fit` or `evaluate` before. Pass class "
            "indices again, or call `compile` in between, which builds the "
            "metrics anew."
        )
    if model.one_hot_labels:
        _check_one_hot(model)


def _default_compile(model):
    if getattr(model.base, "compiled", False):
        _adopt(model)
        return
    loss, accuracy = _fitting_loss(model), "accuracy"
    if loss.from_logits and model.classifier.num_outputs == 1:
        accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    model.compile("adam", loss, metrics=[accuracy])


def _compile_loss(model):
    config = keras.saving.deserialize_keras_object(model.get_compile_config())
    model.compile(
        **{**config, "optimizer": model.optimizer, "loss": _fitting_loss(model)}
    )


def _fitting_loss(model):
    # For labels of any form.
    from_logits = model.classifier.ending.activation == "linear"
    return LabelCrossentropy(from_logits=from_logits)


def _check_one_hot(model):
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
            stacklevel=6,
        )
