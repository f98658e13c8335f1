"""Checks of the model: does it answer as attacks with gradients expect?"""

import numpy as np
from keras import ops

from ..._backend import differentiates
from ...classifier import Classifier
from ...classifier import all_layers
from ...classifier import substituted
from ...classifier.logits import is_probability
from ...classifier.predictor import Predictor
from .context import margins
from .declared import declared_by
from .declared import smooth_view

_SHARE = 0.1
# What rounding may change, relative to the largest logit.
_TOLERANCE = 1e-4
_TOLERANCE_OF_HALF = 0.05
# Below it, steps no longer change a cross-entropy in float32.
_TINY = 1e-12
# Sizes of finite differences, as shares of the value range: one is small
# enough for most models, and large enough for rounding.
_DIFFERENCES = (3e-4, 1e-3, 4e-3)
_PAIRS = 24
_HALVINGS = 20
_JUMP = 0.02


def outputs_are_probabilities(context):
    """Raised if logits are computed back from probabilities, or are some."""
    view = context.victim
    found = view.output_activation if isinstance(view, Classifier) else None
    if found and found.layer is None and found.name != "linear":
        return True, (
            f"The {found.name} of the model was not found, so logits "
            "are computed back from its probabilities, which float32 rounds "
            "to 0 and 1: attacks lose their gradient. End the model in a "
            "Keras layer with that activation, or in logits."
        )
    if is_probability(context.predictor.logits(context.clean)):
        return True, (
            "What the model returns as logits lies between 0 and 1 and sums "
            "to 1, as probabilities do: losses on it have weak gradients. "
            "Return the values before the softmax."
        )
    return False, "The logits are no probabilities."


def randomness_in_inference(context):
    """Raised if predictions of the same images differ from call to call."""
    if context.spread > _tolerance(context):
        if is_random_as_declared(context):
            return False, (
                "The model is random in inference, and its layers say so: "
                f"attacks average over {context.victim.draws} draws. Read the "
                "accuracy as that of one draw."
            )
        return True, (
            "Predictions of the same images differ by "
            f"{context.spread:.1%} of the largest logit: the model is "
            "random in inference, and an attack that does not average over it "
            "is too weak. Use attacks.AutoAttack(version='rand'), or let the "
            "random layer declare its draws (`kad.defenses.HowToAttack`), and "
            "read the accuracy as that of one draw."
        )
    return False, (
        "Predictions of the same images agree, clean ones and changed ones, "
        "on the 256 levels of a byte and between them."
    )


def answers_depend_on_the_batch(context):
    """Raised if an image is classified by the images beside it."""
    _refuse_random(context)
    images = context.perturbed(16)
    if len(images) < 2:
        raise ValueError("one image makes no batch.")
    half = len(images) // 2
    with context.live() as predict:
        # The first half of the images three times: in their batch; in reverse
        # order beside other images; and the first one alone.
        together = predict(ops.convert_to_tensor(images))[:half]
        beside = np.concatenate([images[:half][::-1], context.clean[:half]])
        apart = predict(ops.convert_to_tensor(beside))[:half][::-1]
        alone = predict(ops.convert_to_tensor(images[:1]))
    size = max(float(np.abs(together).max()), 1.0)
    difference = max(
        float(np.abs(together - apart).max()),
        float(np.abs(together[:1] - alone).max()),
    )
    if difference > _tolerance(context) * size:
        return True, (
            "The answer for an image depends on the images beside it: logits "
            f"differ by {difference:.3g} from one batch to another. The "
            "accuracy depends on `batch_size`, and an attack on one image "
            "changes the others. Look for BatchNormalization in training mode "
            "and for statistics over the batch; evaluate with batch_size=1."
        )
    return False, "The answer for an image is the same in other batches."


def optimization_at_inference(context):
    """Raised if the model asks for gradients while it predicts."""
    images = ops.convert_to_tensor(context.clean[:2])
    with context.live() as predict:
        # Layers with a substitute are attacked by it.
        with substituted(declared_by(context.victim), replaces=True):
            differentiated = differentiates(lambda: predict(images))
    if differentiated:
        return True, (
            "The model computes gradients while it predicts, such as those of "
            "a purification: attacks that do not see through them are too "
            "weak. Attack it with as many forward passes as it takes itself."
        )
    return False, "Predicting takes no gradients."


def vanishing_gradients(context):
    """Raised if the loss has no gradient at a share of the images."""
    images, labels = context.sample()
    try:
        _, gradients = context.gradients(images, labels, "cross_entropy")
    except ValueError as error:
        return True, (
            f"The model has no gradient at all: {error} Otherwise read the "
            "numbers of attacks that need none, such as Square with 5000 "
            "queries, or attack a network like it and transfer the images "
            "(`kad.attacks.EnsembleAttack`)."
        )
    largest = np.abs(gradients).max(axis=(1, 2, 3)) * context.threat.width
    share = float((largest < _TINY).mean())
    sentence = (
        f"The loss has a gradient of zero, or next to it, at {share:.0%} of "
        f"{len(images)} images."
    )
    if share > _SHARE:
        return True, (
            f"{sentence} Attacks that follow it stand still: look for "
            "rounding, saturated activations or huge logits, and attack with "
            "objective='dlr', `BPDA` or Square."
        )
    return False, sentence


def gradients_mislead(context):
    """Raised if finite differences of the margin contradict its gradient.

    At images inside the ball, along the sign of the gradient and along random
    signs, for the size of difference at which each image agrees best: a
    network with kinks agrees at most of them.
    """
    _refuse_random(context, declared=False)
    view, words = smooth_view(context.victim)
    view = view.in_one_draw()  # That of the predictions below.
    predictor = Predictor(view, context.predictor.batch_size)
    images, labels = (array[:_PAIRS] for array in context.sample())
    lower, upper = context.threat.value_range
    width = upper - lower
    # Away from the bounds by the largest difference, so that none leaves the
    # range.
    room = max(_DIFFERENCES) * width
    generator = np.random.default_rng(context.seed)
    noise = generator.uniform(-1, 1, images.shape) * context.largest_change()
    x = np.clip(images + noise / 2, lower + room, upper - room)
    x = x.astype("float32")
    try:
        _, gradients = context.gradients(x, labels, view=view)
    except ValueError:
        raise ValueError("the model has no gradient.") from None
    errors = []
    # Central differences of the margin along a direction, over what the
    # gradient says: 1 where they agree, below 0 where they contradict.
    for direction in (np.sign(gradients), _half_along(gradients, generator)):
        slope = (gradients.astype("float64") * direction).sum((1, 2, 3))
        ratios = []
        for share in _DIFFERENCES:
            change = (share * width * direction).astype("float32")
            ahead, behind = (
                -margins(predictor.logits(x + side * change), labels)
                for side in (1.0, -1.0)
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios.append((ahead - behind) / (2 * share * width * slope))
        # As a power of two, of the size that agrees best: 1 is twice too long,
        # or half as long as it should be.
        errors.append(np.min(np.abs(np.log2(_positive(ratios))), axis=0))
    # Twice too long or too short, or against the gradient.
    share = float((np.max(errors, axis=0) > 1.0).mean())
    sentence = words + (
        f"Finite differences contradict the gradient at {share:.0%} of "
        f"{len(x)} images."
    )
    if share > 0.25:
        return True, (
            f"{sentence} It is not that of what the model computes: look for "
            "custom gradients, `stop_gradient`, rounding and hidden "
            "randomness, and attack through them with `BPDA`, with "
            "attacks.Square(queries=5000), or by transfer "
            "(`kad.attacks.EnsembleAttack`)."
        )
    return False, sentence


def outputs_jump(context):
    """Raised if the logits are not continuous where the class changes.

    On the line from one image to another of a different class there is a
    place where the answer changes. Bisection finds it within a millionth of
    the way; the margins on its two sides are then next to each other, and
    next to zero, if the logits follow the image at all.
    """
    _refuse_random(context, declared=False)
    view, words = smooth_view(context.victim)
    view = view.in_one_draw()  # That of the predictions below.
    predictor = Predictor(view, context.predictor.batch_size)
    images, labels = context.sample()
    other = _of_another_class(labels)
    if other is None:
        raise ValueError("the drawn images are all of one class.")
    start, end = images[:_PAIRS], images[other[:_PAIRS]]
    labels = labels[:_PAIRS]
    clean = margins(predictor.logits(start), labels)
    # How far along the class still holds, and where it does not any more; and
    # the margins there.
    low, high = np.zeros(len(start)), np.ones(len(start))
    inside, outside = clean, np.full(len(start), np.nan)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        share = middle[:, None, None, None]
        between = ((1 - share) * start + share * end).astype("float32")
        margin = margins(predictor.logits(between), labels)
        holds = margin > 0
        # Bisection, for each image by itself: the half in which the class
        # changes remains.
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
        inside = np.where(holds, margin, inside)
        outside = np.where(holds, outside, margin)
    jumps = (inside - outside) / max(float(np.median(clean)), 1e-30)
    jump = float(np.nanmedian(jumps))
    sentence = words + (
        f"Where the class changes, the margin of the logits jumps by {jump:.2%}"
        " of what it is at clean images (median)."
    )
    if jump > max(_JUMP, 4 * _tolerance(context)):
        return True, (
            f"{sentence} The outputs hide how near another class is, so that "
            "gradients and scores cannot find it: look for thresholds, "
            "rounding and sorting in the model, and attack the network "
            "without them, by `BPDA` or by transfer "
            "(`kad.attacks.EnsembleAttack`)."
        )
    return False, sentence


def is_random_as_declared(context):
    """Tells whether all randomness is that which layers declare."""
    tolerance = _tolerance(context)
    return context.undeclared_spread <= tolerance < context.spread


def _refuse_random(context, declared=True):
    """Raises a `ValueError` for a random model.

    Args:
        context: The `Context`.
        declared: Whether that counts too which its layers declare.
    """
    if context.spread > _tolerance(context):
        if not declared and is_random_as_declared(context):
            return
        raise ValueError("the model is random in inference.")


def _tolerance(context):
    """Bounds what rounding may change, relative to the largest logit."""
    half, view = ("float16", "bfloat16"), context.victim
    layers = all_layers(view.model) if isinstance(view, Classifier) else []
    if any(layer.compute_dtype in half for layer in layers):
        return _TOLERANCE_OF_HALF
    return _TOLERANCE


def _half_along(gradients, generator):
    """The gradient's sign at a random half of the values, noise elsewhere."""
    signs = generator.choice([-1.0, 1.0], gradients.shape)
    half = generator.random(gradients.shape) < 0.5
    return np.where(half, np.sign(gradients), signs)


def _positive(ratios):
    """Ratios, with next to nothing in place of what is not above zero."""
    ratios = np.nan_to_num(np.array(ratios), nan=0.0, posinf=1e9, neginf=0.0)
    return np.maximum(ratios, 1e-9)


def _of_another_class(labels):
    """For each image the next one of another class, or None."""
    if len(np.unique(labels)) < 2:
        return None
    found = []
    for row, label in enumerate(labels):
        others = np.flatnonzero(labels != label)
        found.append(others[np.searchsorted(others, row) % len(others)])
    return np.array(found)
