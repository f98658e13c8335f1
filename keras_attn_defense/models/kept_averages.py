"""Find the averages that layers keep, such as those of BatchNormalization."""

import keras

from ..classifier import all_layers


def kept_averages(base):
    """Finds variables that training changes without a gradient.

    Weights of frozen layers are none of them, and neither are seeds.

    Args:
        base: The network.

    Returns:
        A list of variables.
    """
    frozen = {
        id(variable)
        for layer in all_layers(base)
        if not layer.trainable
        for variable in layer.variables
    }
    is_float = keras.backend.is_float_dtype
    return [
        variable
        for variable in base.non_trainable_variables
        if id(variable) not in frozen and is_float(variable.dtype)
    ]
