"""Adapters to Foolbox."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from .._typing import Model
from .._typing import ValueRange
from ..data import resolve_value_range
from .differentiable_logits import DifferentiableLogits
from .foreign_attack import ForeignAttack
from .foreign_attack import check_known
from .torch import torch_tools


def to_foolbox(model: Model, value_range: ValueRange | None = None) -> Any:
    """Makes a model for Foolbox' attacks, on every Keras backend.

    It takes the images of the Keras model, as tensors of the backend in use:
    `(batch, height, width, channels)` within the value range. It returns
    logits, for any output activation of the model. It is compiled, and so
    faster than Foolbox' own class for Keras models.

    Args:
        model: A Keras classifier, a `kad.attacks.BPDA`, or a function from
            images to logits.
        value_range: `(lower, upper)` bounds of the images. None takes the
            model's `value_range`, or else `(0.0, 1.0)`.

    Returns:
        A `foolbox.Model`.

    Raises:
        ImportError: If Foolbox is not installed.

    Example:

    ```python
    import foolbox

    attack = foolbox.attacks.LinfPGD(steps=20)
    images, labels = map(keras.ops.convert_to_tensor, (x, y))
    _, x_adv, success = attack(
        kad.adapters.to_foolbox(model), images, labels, epsilons=8 / 255
    )
    ```
    """
    logits = DifferentiableLogits(model)
    return _model_class()(
        logits, resolve_value_range(logits.victim, value_range)
    )


def from_foolbox(
    attack: Any,
    epsilon: float | None = None,
    *,
    name: str | None = None,
    **kwargs: Any,
) -> ForeignAttack:
    """Adapts an attack of Foolbox for `kad.evaluate_robustness`.

    The attack itself tells its norm, and whether it looks for the smallest
    perturbation.

    Args:
        attack: The Foolbox attack.
        epsilon: The radius, in the units of the images; see
            `kad.attacks.Attack`.
        name: The attack's name in a report. None takes that of its class.
        **kwargs: `black_box`, `value_range`, `seed`; see `ForeignAttack`.

    Raises:
        ValueError: If the attack does not measure a norm, or `norm` or
            `minimal` are given and differ from the attack's.

    Returns:
        A `ForeignAttack`.

    Example:

    ```python
    import foolbox

    pgd = kad.adapters.from_foolbox(foolbox.attacks.LinfPGD(steps=20))
    report = kad.evaluate_robustness(model, x, y, attacks=[pgd, "pgd"])
    ```
    """
    model_class = _model_class()

    def connect(logits, value_range):
        model = model_class(logits, value_range)

        def at_radius(epsilon):
            return attack, functools.partial(_run, attack, model, epsilon)

        return at_radius

    known = {"norm": _norm(attack), "minimal": _is_minimal(attack)}
    check_known(known, kwargs, f"the attack {type(attack).__name__}")
    usual_name = type(attack).__name__.lower().removesuffix("attack")
    name = name or f"foolbox-{usual_name}"
    return ForeignAttack(connect, epsilon, name=name, **{**kwargs, **known})


def _run(attack, model, epsilon, images, labels):
    """Runs an attack on NumPy images and labels."""
    # Predicted classes are int64, except on JAX, and labels must match them.
    integer = "int32" if keras.backend.backend() == "jax" else "int64"
    images = ops.convert_to_tensor(images)
    labels = ops.convert_to_tensor(labels.astype(integer))
    _, crafted, _ = attack(model, images, labels, epsilons=epsilon)
    return ops.convert_to_numpy(crafted)


def _norm(attack):
    """Returns the norm in which an attack measures perturbations."""
    known = {np.inf: "linf", 2: "l2", 1: "l1"}
    order = getattr(attack.distance, "p", None)
    if order not in known:
        raise ValueError(
            f"The attack {type(attack).__name__} measures perturbations by "
            f"{attack.distance}. Expected a norm among {list(known.values())}."
        )
    return known[order]


def _is_minimal(attack):
    """Tells whether an attack looks for the smallest perturbation."""
    from foolbox.attacks import base

    attack = getattr(attack, "attack", attack)  # Inside of a repeated attack.
    return not isinstance(attack, base.FixedEpsilonAttack)


def _restore_common_types():
    """Gives eagerpy a function that NumPy 2 has removed.

    eagerpy calls it on tensors of several types, such as the int64 classes of
    TensorFlow and the int32 labels that the loaders of this package return.
    """
    from eagerpy.tensor import tensorflow

    if hasattr(np, "find_common_type"):
        return

    class NumPy:
        """NumPy with the function that eagerpy expects."""

        def __getattr__(self, name):
            return getattr(np, name)

        @staticmethod
        def find_common_type(arrays, scalars):
            return np.result_type(*arrays, *scalars)

    tensorflow.np = NumPy()


@functools.cache
def _model_class():
    """Defines the model class, once Foolbox is known to be installed."""
    try:
        import eagerpy
        import foolbox
    except ImportError as error:
        raise ImportError(
            'This needs Foolbox: `pip install "keras-attn-defense[adapters]"`.'
        ) from error
    _restore_common_types()

    class LogitsModel(foolbox.Model):
        """`DifferentiableLogits` with the interface of a Foolbox model."""

        data_format = "channels_last"

        def __init__(self, logits, value_range):
            self.logits = logits
            self._bounds = foolbox.types.Bounds(*value_range)

        @property
        def bounds(self):
            return self._bounds

        def __call__(self, inputs):
            # Foolbox calls the model with tensors of its own type.
            images, restore = eagerpy.astensor_(inputs)
            logits = self.logits(images.raw)
            if keras.backend.backend() == "torch":
                logits = torch_tools().lenient(logits)
            return restore(type(images)(logits))

    return LogitsModel
