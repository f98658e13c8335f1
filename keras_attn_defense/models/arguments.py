"""Checks and defaults of the defended model's arguments."""

import inspect
import math
import warnings

import keras
import numpy as np

from .._arguments import check_count
from .._arguments import check_number
from ..attacks import PGD
from ..attacks import Attack
from ..attacks import GradientAttack
from ..attacks import get as named_attack
from ..attacks.arguments import check_epsilon
from ..attacks.arguments import check_step_size
from ..attacks.objectives import CrossEntropy
from ..attention import AttentionMask
from ..attention import AttentionMethod
from ..attention import GradCAM
from ..attention import get as named_method
from ..classifier import all_layers
from ..losses import DebiasedRectificationLoss
from ..losses import DistillationLoss
from ..losses import PreservationLoss
from ..losses import RectificationLoss
from ..losses import RobustLoss
from ..losses.function_loss import FunctionLoss
from ..losses.preservation_loss import DISTANCES
from .robust_objective import RobustObjective
from .sample_selection import StrongSampleSelection
from .weight_perturbation import AdversarialWeightPerturbation


def dtype_policy(base):
    """A policy that makes `compile` scale losses if any layer needs it."""
    half = any(
        layer.compute_dtype == "float16" for layer in [base, *all_layers(base)]
    )
    return "mixed_float16" if half else base.dtype_policy


def robust_loss(loss, classifier):
    """Returns the robust loss, or None; a teacher has to fit the model."""
    if not isinstance(loss, (RobustLoss, type(None))):
        raise ValueError(
            "`robust_loss` should be a `kad.losses.RobustLoss`, such as "
            "`kad.losses.TRADES()`, or None for the loss of `compile` on clean "
            f"and adversarial images. Received: robust_loss={loss!r}"
        )
    if isinstance(loss, DistillationLoss):
        loss.check(classifier)
    return loss


def training_attack(attack, robust_loss, value_range, image_shape):
    """Returns the attack to train on; None means PGD."""
    if attack is None:
        attack = PGD(steps=7, objective=robust_objective(robust_loss))
    attack = _attack(attack, value_range, image_shape)
    # An attack that follows a robust loss follows the one of this model,
    # whichever it was made with.
    if robust_loss is not None and climbs_robust_loss(attack):
        attack.objective = robust_objective(robust_loss)
    return attack


def robust_objective(loss):
    """Returns what an attack maximizes for a robust loss, or for None."""
    return CrossEntropy() if loss is None else RobustObjective(loss)


def climbs_robust_loss(attack):
    """Tells whether an attack maximizes what a robust loss says."""
    return isinstance(getattr(attack, "objective", None), RobustObjective)


def validation_attack(attack, training_attack, value_range, image_shape):
    """Returns the attack to validate with, or None."""
    if attack is None:
        return None
    if isinstance(attack, str) and attack == "default":
        attack = _pgd_like(training_attack)
    return _attack(attack, value_range, image_shape)


def attention(method):
    """Returns the attention method; None means Grad-CAM."""
    if method is None:
        method = GradCAM()
    if isinstance(method, str):
        method = named_method(method)
    if not isinstance(method, AttentionMethod):
        raise ValueError(
            "`attention` should be an attention method, such as "
            "`kad.attention.GradCAM()`, or the name of one. A map of your own "
            "is a subclass of `kad.attention.FeatureMethod`. Received: "
            f"attention={method!r}"
        )
    return method


def mask(mask, value_range):
    """Returns a mask whose mid-gray is that of the model's images."""
    if mask is None:
        return AttentionMask(value_range=value_range)
    if not isinstance(mask, AttentionMask):
        raise ValueError(
            "`mask` should be a `kad.attention.AttentionMask`, or None. "
            f"Received: mask={mask!r}"
        )
    if mask.fill is None:
        _same_range(mask, mask.value_range, value_range)
    return mask


def weight(name, value):
    """Returns a non-negative float."""
    return check_number(name, value, unit="where 0 switches the term off")


def masked_weight(value, method):
    """Returns the rectification weight, for maps that a mask can take."""
    value = weight("rectification_weight", value)
    if value and method.keeps_channels:
        raise ValueError(
            f"{type(method).__name__} keeps the channels of its maps, so no "
            "area can be hidden for the rectification loss. Give it a "
            "`reduction`, or set rectification_weight=0."
        )
    if value and method.score == "random":
        raise ValueError(
            "The map of a random score shows no area that is worth hiding. Set "
            "rectification_weight=0, or give the attention another score. "
            f"Received: rectification_weight={value:g}"
        )
    return value


def rectification_loss(loss, num_classes):
    """Returns the loss of the predictions on the image and on the rest."""
    if loss is None:
        return RectificationLoss()
    if isinstance(loss, str):
        return RectificationLoss({"mse": "mean_squared_error"}.get(loss, loss))
    loss = _loss("rectification_loss", loss)
    if not isinstance(loss, DebiasedRectificationLoss):
        _check_sign(loss, num_classes)
    return loss


def preservation_loss(loss):
    """Returns the loss of two maps."""
    if loss is None:
        return PreservationLoss()
    if isinstance(loss, str) and loss in DISTANCES:
        return PreservationLoss(loss)
    return _loss("preservation_loss", loss)


def pair(name, attack, robust_loss):
    """Returns which images' maps the preservation loss compares."""
    if name not in ("adversarial", "noise", "teacher"):
        raise ValueError(
            "`preservation_pair` should be 'adversarial', 'noise' or "
            f"'teacher'. Received: preservation_pair={name!r}"
        )
    if name == "teacher" and not isinstance(robust_loss, DistillationLoss):
        raise ValueError(
            "preservation_pair='teacher' compares with the maps of the teacher "
            "of a robust loss. Give one, as in robust_loss="
            f"kad.losses.RSLAD(teacher). Received: robust_loss={robust_loss!r}"
        )
    if name == "noise" and attack.minimal and attack.epsilon is None:
        raise ValueError(
            "preservation_pair='noise' draws from the attack's ball, but "
            f"{type(attack).__name__} has epsilon=None, which here is no "
            "radius. Give it an epsilon."
        )
    if name == "noise" and attack.norm == "l0":
        raise ValueError(
            "preservation_pair='noise' draws from the attack's ball, but in "
            "norm='l0' values go as far as they like. Give the attack another "
            f"norm. Received: {type(attack).__name__}(norm='l0')"
        )
    return name


def statistics(name):
    """Returns which images batch normalization sees together."""
    names = ("mixed", "apart", "adversarial")
    if name not in names:
        raise ValueError(
            f"`batch_statistics` should be one of {list(names)}. Received: "
            f"batch_statistics={name!r}"
        )
    return name


def sample_selection(selection):
    """Returns the selection, or None."""
    if not isinstance(selection, (StrongSampleSelection, type(None))):
        raise ValueError(
            "`sample_selection` should be a `kad.models.StrongSampleSelection`,"
            f" or None. Received: sample_selection={selection!r}"
        )
    return selection


def perturbation(perturbation):
    """Returns the weight perturbation, or None."""
    if not isinstance(
        perturbation, (AdversarialWeightPerturbation, type(None))
    ):
        raise ValueError(
            "`weight_perturbation` should be a "
            "`kad.models.AdversarialWeightPerturbation`, or None. Received: "
            f"weight_perturbation={perturbation!r}"
        )
    return perturbation


def _attack(attack, value_range, image_shape):
    """Returns an attack whose bounds and lengths fit the model's images."""
    if isinstance(attack, str):
        attack = named_attack(attack)
    if not isinstance(attack, Attack):
        raise ValueError(
            "Expected an attack, such as `kad.attacks.PGD(steps=7)`, or the "
            "name of one. An attack of your own is a subclass of "
            "`kad.attacks.GradientAttack`: a plain function cannot run inside "
            f"a training step. Received: {attack!r}"
        )
    if type(attack).perturb is Attack.perturb:
        raise ValueError(
            f"{type(attack).__name__} has no `perturb`, which crafts images "
            "inside a training step. Derive it from "
            "`kad.attacks.GradientAttack`, or write the method."
        )
    _same_range(attack, attack.value_range, value_range)
    _check_numbers(attack)
    _check_lengths(attack, value_range, image_shape)
    return attack


def _check_numbers(attack):
    # They may have been set since the attack was made.
    check_epsilon(attack.epsilon)
    check_count("restarts", attack.restarts)
    if isinstance(attack, GradientAttack):
        check_step_size(attack.step_size)
        check_count("steps", attack.steps)


def _check_lengths(attack, value_range, image_shape):
    """Raises if lengths are no perturbations, warns if they are nothing."""
    width = value_range[1] - value_range[0]
    lengths = {"epsilon": attack.epsilon}
    if isinstance(attack, GradientAttack):
        lengths["step_size"] = attack.step_size
    for name, length in lengths.items():
        if length is None:
            continue
        largest = float(np.max(length))
        if largest > width * _diagonal(attack.norm, image_shape):
            raise ValueError(
                f"{name}={length} of {type(attack).__name__} in the norm "
                f"'{attack.norm}' lets every image in value_range="
                f"{value_range} become any other. It is in the units of the "
                f"images: did you mean {largest:g} / 255?"
            )
        if attack.norm == "linf" and 0 < largest < width / 2550:
            warnings.warn(
                f"{name}={length} of {type(attack).__name__} changes images "
                f"in value_range={value_range} by less than a tenth of a gray "
                "level. It is in the units of the images; the usual epsilon "
                f"here is {8 / 255 * width:g}.",
                stacklevel=5,
            )


def _diagonal(norm, image_shape):
    """The norm of the largest change of an image, if it is one wide."""
    size = math.prod(side or math.inf for side in image_shape)
    return {"linf": 1.0, "l2": math.sqrt(size)}.get(norm, size)


def _pgd_like(attack):
    """The validation attack that belongs to a training attack."""
    if attack.norm == "l0":
        raise ValueError(
            "The default validation attack is PGD in the norm of the training "
            "attack, which is 'l0' here, and PGD has none. Pass a "
            "`validation_attack`, or None."
        )
    epsilon = attack.epsilon
    return PGD(
        epsilon[1] if isinstance(epsilon, tuple) else epsilon,
        norm=attack.norm,
        value_range=attack.value_range,
    )


def _loss(name, loss):
    """A `keras.losses.Loss`, from what Keras takes as a loss."""
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            raise ValueError(
                f"`{name}` should be one of {sorted(DISTANCES)}, "
                "the name of a loss of Keras, a `keras.losses.Loss` or a "
                f"function of two tensors. Received: {name}={loss!r}"
            ) from None
    if isinstance(loss, keras.losses.Loss):
        return loss
    if callable(loss) and not inspect.isclass(loss):
        return FunctionLoss(loss)
    raise ValueError(
        f"`{name}` should be a `keras.losses.Loss`, its name, a function of "
        f"two tensors, or None. Received: {name}={loss!r}"
    )


def _check_sign(loss, num_classes):
    """Warns if a loss falls when two predictions come closer."""
    # Logits of two images that are sure of different classes, each a batch of
    # its own, `(1, classes)`.
    whole, other = 4 * np.eye(2, num_classes, dtype="float32")[:, None]
    same, different = (
        float(keras.ops.convert_to_numpy(keras.ops.mean(loss(whole, rest))))
        for rest in (whole, other)
    )
    if same < different:
        warnings.warn(
            f"rectification_loss={loss.name} is lowest where the prediction "
            "on the rest is that on the whole image. It is minimized, so it "
            "should be minus a distance, as in "
            "`kad.losses.RectificationLoss('mean_squared_error')`.",
            stacklevel=5,
        )


def _same_range(part, its_range, value_range):
    if its_range not in (None, value_range):
        raise ValueError(
            f"{type(part).__name__} has value_range={its_range}, the model "
            f"value_range={value_range}. Give both the range of the images."
        )
