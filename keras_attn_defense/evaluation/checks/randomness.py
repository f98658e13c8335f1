"""Does the model answer the same each time?"""

import numpy as np
from keras import ops

_TOLERANCE = 1e-4


def randomness_in_inference(context):
    """Raised if two predictions of the same images differ."""
    images = ops.convert_to_tensor(context.clean[:16])
    with context.live() as predict:
        first, second = predict(images), predict(images)
    difference = float(np.abs(first - second).max())
    size = float(np.abs(first).max())
    if difference > _TOLERANCE * max(size, 1.0):
        return True, (
            f"Two predictions of the same images differ by {difference:.3g}: "
            "the model is random in inference, and an attack that does not "
            "average over it is too weak. Use "
            "attacks.AutoAttack(version='rand')."
        )
    return False, "Two predictions of the same images agree."
