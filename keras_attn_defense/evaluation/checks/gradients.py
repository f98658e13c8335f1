"""Are there gradients to follow?"""

import numpy as np
from keras import ops

from ..._backend import compiled
from ...attacks.objectives import CrossEntropy
from ...attacks.running.image_gradient import image_gradient

# Below it, steps no longer change a cross-entropy in float32.
_TINY = 1e-12
_SHARE = 0.1


def vanishing_gradients(context):
    """Raised if the loss has no gradient at a share of the images."""
    images, labels = context.sample()
    try:
        gradients = _gradients(context.victim, images, labels)
    except ValueError as error:
        return True, f"The model has no gradient at all: {error}"
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


def _gradients(victim, images, labels):
    def gradients(images, labels):
        return image_gradient(
            victim.frozen_logits,
            lambda logits: CrossEntropy().call(logits, labels, {}),
            images,
        )[1]

    tensors = (ops.convert_to_tensor(images), ops.cast(labels, "int32"))
    run = compiled(gradients, victim.variables)
    return np.asarray(ops.convert_to_numpy(run(*tensors)))
