"""Does the model optimize something while it predicts?"""

from keras import ops

from ..._backend import differentiates


def optimization_at_inference(context):
    """Raised if the model asks for gradients while it predicts."""
    images = ops.convert_to_tensor(context.clean[:2])
    with context.live() as predict:
        differentiated = differentiates(lambda: predict(images))
    if differentiated:
        return True, (
            "The model computes gradients while it predicts, such as those of "
            "a purification: attacks that do not see through them are too "
            "weak. Attack it with as many forward passes as it takes itself."
        )
    return False, "Predicting takes no gradients."
