"""Compile settings of a defended model, and the labels that they take."""

import inspect
import warnings

import keras

from .._backend import SUPPORTS_JIT
from ..classifier.logits import OutputActivation
from ..data import has_columns
from ..losses import LabelCrossentropy

# In the names of losses and metrics of labels with a column for each class.
_TAKE_ROWS = ("categorical_", "categoricalcross", "categoricalfocal")


def ensure_compiled(model, optimizer="adam"):
    """Compiles a model of which nobody has, and adds a loss where none is.

    Args:
        model: An `AttentionDefendedModel`.
        optimizer: The optimizer, unless the model or its base has one.

    Raises:
        ValueError: If the model cannot be trained as it is compiled.
    """
    if not model.compiled:
        _default_compile(model, optimizer)
    if model.loss is None:
        _compile_loss(model, _fitting_loss(model))
    if model.jit_compile and not SUPPORTS_JIT:
        raise ValueError(
            "`jit_compile=True` is not possible on this backend: "
            "torch.compile has no second derivatives. Use "
            "`compile(..., jit_compile=False)`."
        )


def check_compiled(model):
    """Checks the compile settings against the base, and the metrics' names.

    Raises:
        ValueError: If the loss takes logits for probabilities or the other way
            round, or a metric has the name of one of the model's own.
    """
    for loss in keras.tree.flatten(model.loss):
        _check_output_activation(model, loss)
    taken = set(model.trackers) & set(_metric_names(_settings(model)))
    if taken:
        name = min(taken)
        raise ValueError(
            f"A metric in `compile` is named '{name}', as one that the model "
            f"logs itself: {sorted(model.trackers)}. Only one of both would be "
            f"seen. Give it another name, such as name='my_{name}'."
        )


def check_labels_form(model, labels):
    """Raises a `ValueError` if loss and metrics do not take these labels.

    Args:
        model: A compiled `AttentionDefendedModel`, whose labels are settled.
        labels: Labels of a batch.
    """
    is_one_hot = has_columns(labels, model.classifier.num_classes)
    if is_one_hot and not model.one_hot_labels:
        raise ValueError(
            "The labels are one-hot or soft, but the metrics were built for "
            "class indices, by the `fit` or `evaluate` before. Pass class "
            "indices again, or call `compile` in between, which builds the "
            "metrics again."
        )
    if model.augmentation is not None and not model.one_hot_labels:
        raise ValueError(
            "`augmentation` makes one-hot or mixed labels, but the metrics "
            "were built for class indices, by the `fit` or `evaluate` before. "
            "Call `compile` in between, which builds the metrics again."
        )
    settings = _settings(model)
    for part in ("loss", "metrics", "weighted_metrics"):
        _check_form(part, settings.get(part), model.one_hot_labels)


def _default_compile(model, optimizer):
    if getattr(model.base, "compiled", False):
        _adopt(model)
        return
    loss, accuracy = _fitting_loss(model), "accuracy"
    if loss.from_logits and model.classifier.num_outputs == 1:
        accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    model.compile(optimizer, loss, metrics=[accuracy])


def _compile_loss(model, loss):
    config = keras.saving.deserialize_keras_object(model.get_compile_config())
    model.compile(**{**config, "optimizer": model.optimizer, "loss": loss})


def _fitting_loss(model):
    # For labels of any form.
    from_logits = model.classifier.output_activation.name == "linear"
    return LabelCrossentropy(from_logits=from_logits)


def _settings(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' of lambdas: nothing is saved.
        try:
            return model.get_compile_config() or {}
        except (NotImplementedError, TypeError, ValueError):
            return {}  # A user's own that cannot be saved: not looked into.


def _check_form(part, config, one_hot):
    entries = config if isinstance(config, (list, tuple)) else [config]
    for text in (repr(entry).lower() for entry in entries):
        if one_hot and "sparse" in text:
            raise ValueError(
                f"The model is compiled with {part}={config!r}, which "
                "takes class indices, but the labels are one-hot or soft: they "
                "came so, or `augmentation` makes them so. `compile` without "
                "a loss, with 'categorical_crossentropy', and with "
                "metrics=['accuracy']."
            )
        rows = any(form in text for form in _TAKE_ROWS)
        if not one_hot and rows and "sparse" not in text:
            raise ValueError(
                f"The model is compiled with {part}={config!r}, which takes "
                "one-hot labels, but the labels are class indices. `compile` "
                "without a loss or with 'sparse_categorical_crossentropy', and "
                "with metrics=['accuracy']; or pass one-hot labels: "
                "`keras.utils.to_categorical(y)`."
            )


def _metric_names(settings):
    """The names of all metrics in serialized compile settings."""
    names, waiting = (
        [],
        [settings.get(part) for part in ("metrics", "weighted_metrics")],
    )
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict) and isinstance(entry.get("config"), dict):
            names.append(entry["config"].get("name"))
        elif isinstance(entry, dict):
            waiting.extend(entry.values())
        elif isinstance(entry, (list, tuple)):
            waiting.extend(entry)
        else:
            names.append(entry)
    return names


def _contradiction(model, loss):
    """Describes how a loss contradicts the base's last activation, or None."""
    from_logits = _takes_logits(loss)
    found = model.classifier.output_activation
    if from_logits in (None, found.name == "linear"):
        return None
    returns = "probabilities" if from_logits else "logits"
    return (
        f"The loss {_loss_name(loss)} has from_logits={from_logits}, but the "
        f"base '{model.base.name}' returns {returns} (it ends in "
        f"'{found.name}'), so the model would learn from wrong numbers."
    )


def _check_output_activation(model, loss):
    reason = _contradiction(model, loss)
    if reason is None:
        return
    text = (
        f"{reason} `compile` without a loss, which takes the one that fits, "
        f"or with from_logits={not _takes_logits(loss)}."
    )
    found = model.classifier.output_activation
    if found == OutputActivation("sigmoid"):
        # Not known: one output between 0 and 1 of a few images.
        warnings.warn(text, stacklevel=6)
        return
    raise ValueError(text)


def _mend_loss(model):
    """Turns `from_logits` of a loss of the base where it contradicts it."""
    reason = _contradiction(model, model.loss)
    if reason is None:
        return
    loss = _fitting_loss(model)
    if isinstance(model.loss, keras.losses.Loss):
        config = {**model.loss.get_config(), "from_logits": loss.from_logits}
        loss = type(model.loss).from_config(config)
    warnings.warn(
        f"{reason} It is taken over with from_logits={loss.from_logits}.",
        stacklevel=6,
    )
    _compile_loss(model, loss)


def _takes_logits(loss):
    """Reads `from_logits` of a loss; None if it says nothing."""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        return loss.get_config().get("from_logits")
    if not callable(loss):
        return None
    parameters = inspect.signature(loss).parameters
    if "from_logits" not in parameters:
        return None
    return bool(parameters["from_logits"].default)


def _loss_name(loss):
    return repr(loss) if isinstance(loss, str) else type(loss).__name__


def _adopt(model):
    try:
        model.compile_from_config(model.base.get_compile_config())
    except (TypeError, ValueError) as error:
        raise ValueError(
            "The compile settings of the base could not be copied. Call "
            "`compile` on the AttentionDefendedModel before `fit`. The reason "
            f"was: {error}"
        ) from error
    if model.loss is not None:
        _mend_loss(model)
    scale = 2 * model.classification_weight  # One for clean, one for attacked.
    if isinstance(model.optimizer, keras.optimizers.SGD) and scale != 1:
        warnings.warn(
            "The base's optimizer, SGD, is taken over with its learning rate. "
            f"The weighted loss of both images is about {scale:g} times the "
            "plain one; `compile` the AttentionDefendedModel with a learning "
            "rate divided by that.",
            stacklevel=6,
        )
