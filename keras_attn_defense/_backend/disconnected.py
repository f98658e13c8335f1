"""One message for a gradient that does not exist, on every backend."""


class NoGradientError(ValueError):
    """Outputs do not depend on the tensor that their gradient is asked for."""


def disconnected_error():
    """The error to raise where outputs do not depend on the tensor."""
    return NoGradientError(
        "The model's output does not depend on the tensor that its gradient "
        "is asked for. Either the attention layer is not on the way to the "
        "output (choose another with `GradCAM(layer=...)`), or a step in "
        "between, such as `argmax`, `round` or `stop_gradient`, has no "
        "gradient: attack it through `kad.attacks.BPDA`. An input of integers "
        "has none either: declare `keras.Input(shape)`, which takes the same "
        "values as floats."
    )
