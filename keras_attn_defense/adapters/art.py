"""Adapters to the Adversarial Robustness Toolbox (ART)."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from .._typing import Model
from .._typing import ValueRange
from ..data import resolve_value_range
from .differentiable_logits import DifferentiableLogits
from .foreign_attack import ForeignAttack


def to_art(model: Model, value_range: ValueRange | None = None) -> Any:
    """Makes a classifier for ART's attacks, on every Keras backend.

    It takes the images of the model: NumPy arrays `(num, height, width,
    channels)` within the value range. It predicts logits, for any output
    activation of the model, and computes gradients of their cross-entropy and
    of each logit. It cannot be trained: train the Keras model itself.

    Args:
        model: A Keras classifier or a `kad.attacks.BPDA`.
        value_range: `(lower, upper)` bounds of the images. None takes the
            model's `value_range`, or else `(0.0, 1.0)`.

    Returns:
        An ART estimator.

    Raises:
        ImportError: If ART is not installed.

    Example:

    ```python
    from art.attacks.evasion import ProjectedGradientDescent

    attack = ProjectedGradientDescent(
        kad.adapters.to_art(model), eps=8 / 255, eps_step=2 / 255, verbose=False
    )
    x_adv = attack.generate(x, y)
    ```
    """
    logits = DifferentiableLogits(model)
    return _classifier_class()(
        logits, resolve_value_range(logits.victim, value_range)
    )


def from_art(
    build: Callable[[Any, float | None], Any],
    epsilon: float | None = None,
    *,
    name: str = "art",
    **kwargs: Any,
) -> ForeignAttack:
    """Adapts an attack of ART for `kad.evaluate_robustness`.

    Args:
        build: Function of an estimator, like that of `to_art`, and the radius
            in the units of the images. It returns an evasion attack and is
            called once for each radius.
        epsilon: The radius, in the units of the images; see
            `kad.attacks.Attack`.
        name: The attack's name in a report.
        **kwargs: `norm`, `minimal`, `black_box`, `value_range`, `seed`; see
            `ForeignAttack`.

    Returns:
        A `ForeignAttack`.

    Example:

    ```python
    from art.attacks.evasion import HopSkipJump

    hop_skip_jump = kad.adapters.from_art(
        lambda classifier, epsilon: HopSkipJump(
            classifier, max_iter=2, max_eval=200, init_eval=10, verbose=False
        ),
        norm="l2",
        minimal=True,
        black_box=True,
    )
    report = kad.evaluate_robustness(
        model, x[:2], y[:2], attacks=[hop_skip_jump], norm="l2"
    )
    ```
    """
    classifier_class = _classifier_class()

    def connect(logits, value_range):
        classifier = classifier_class(logits, value_range)

        def at_radius(epsilon):
            attack = build(classifier, epsilon)
            return attack, attack.generate

        return at_radius

    return ForeignAttack(connect, epsilon, name=name, **kwargs)


@functools.cache
def _classifier_class():
    """Defines the estimator class, once ART is known to be installed."""
    try:
        from art import estimators
        from art.estimators import classification
    except ImportError as error:
        raise ImportError(
            "This needs the Adversarial Robustness Toolbox: "
            '`pip install "keras-attn-defense[adapters]"`.'
        ) from error

    class LogitsClassifier(
        classification.ClassGradientsMixin,
        classification.ClassifierMixin,
        estimators.LossGradientsMixin,
        estimators.NeuralNetworkMixin,
        estimators.BaseEstimator,
    ):
        """`DifferentiableLogits` with the interface of an ART classifier."""

        estimator_params = [
            *estimators.BaseEstimator.estimator_params,
            *estimators.NeuralNetworkMixin.estimator_params,
            *classification.ClassifierMixin.estimator_params,
        ]

        def __init__(self, logits, value_range):
            if logits.num_classes is None:
                raise ValueError(
                    "ART needs the number of classes, which is not known for "
                    "a plain function. Pass the Keras model."
                )
            super().__init__(
                model=getattr(logits.victim, "model", logits.victim),
                clip_values=value_range,
                channels_first=False,
                preprocessing=None,
            )
            self.logits = logits
            self.nb_classes = logits.num_classes

        @property
        def input_shape(self):
            return self.logits.image_shape

        def predict(self, x, batch_size=128, **kwargs):
            return self.logits.predict(x, batch_size)

        def loss_gradient(self, x, y, **kwargs):
            # The gradient of the cross-entropy with respect to the logits is
            # the difference of probabilities and targets.
            targets = self._one_hot(y)
            gradients = [
                gradient(scipy.special.softmax(logits, axis=-1) - targets[rows])
                for rows, logits, gradient in self.logits.batches(x, _BATCH)
            ]
            return np.concatenate(gradients)

        def class_gradient(self, x, label=None, **kwargs):
            # One-hot rows choose the logits to differentiate: all of them, or
            # one for each image, `(images, logits, classes)`.
            unit = np.eye(self.nb_classes)
            if label is None:
                chosen = np.broadcast_to(unit, (len(x), *unit.shape))
            else:
                chosen = unit[np.broadcast_to(label, len(x))][:, None]
            gradients = [
                np.stack([gradient(w) for w in chosen[rows].swapaxes(0, 1)], 1)
                for rows, _, gradient in self.logits.batches(x, _BATCH)
            ]
            return np.concatenate(gradients)

        def compute_loss(self, x, y, reduction="none", **kwargs):
            log_p = scipy.special.log_softmax(self.predict(x), axis=-1)
            losses = -(self._one_hot(y) * log_p).sum(-1)
            reduce = {"none": np.asarray, "mean": np.mean, "sum": np.sum}
            return reduce[reduction](losses)

        def _one_hot(self, y):
            y = np.asarray(y)
            if y.ndim == 2 and y.shape[1] == self.nb_classes:
                return y
            return np.eye(self.nb_classes)[y.reshape(-1).astype(int)]

        def fit(self, x, y, **kwargs):
            raise NotImplementedError("Train the Keras model with `fit`.")

        def get_activations(self, x, layer, batch_size, framework=False):
            raise NotImplementedError(
                "Only logits are adapted. For activations use "
                "`keras.Model(model.inputs, layer.output)`."
            )

    return LogitsClassifier


_BATCH = 128
