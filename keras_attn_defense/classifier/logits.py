"""Find the logits of a model, whatever activation follows them."""

from typing import NamedTuple

import keras
from keras import ops

from .precision import full_precision
from .structure import as_input


class OutputActivation(NamedTuple):
    """The activation at the end of a model, which logits pass.

    Args:
        name: "softmax", "sigmoid" or "linear": what was applied to the
            logits.
        layer: The layer that applies it, where it can be listened to; else
            None, and the logits are computed back from the probabilities.
        attribute: Name of the function of `layer` whose first argument is the
            logits.
    """

    name: str
    layer: keras.layers.Layer | None = None
    attribute: str | None = None

    def logits(self, captured, outputs):
        """Two or more logits per image, in float32 or wider.

        Args:
            captured: The function's argument, if `layer` is set.
            outputs: The model's outputs `(batch, outputs)`.
        """
        logits = self._raw(captured, outputs)
        if logits.shape[-1] == 1:
            # sigmoid(z) is softmax of (-z / 2, z / 2), which gives both
            # classes a gradient and so an attention map.
            half = logits / 2.0
            logits = ops.concatenate([-half, half], axis=-1)
        return logits

    def _raw(self, captured, outputs):
        if self.layer is not None:
            return full_precision(captured)
        outputs = full_precision(outputs)
        tiny = 1e-30
        if self.name == "softmax":
            return ops.log(ops.maximum(outputs, tiny))
        if self.name == "sigmoid":
            return ops.log(ops.maximum(outputs, tiny)) - ops.log(
                ops.maximum(1.0 - outputs, tiny)
            )
        return outputs


def find_output_activation(calls, model, input_shape, num_outputs):
    """Finds what a model does to its logits at the end.

    Args:
        calls: What `layer_calls` returned.
        model: The model; run on random images if its layers do not tell.
        input_shape: The shape of its input.
        num_outputs: The number of its outputs.

    Returns:
        An `OutputActivation`.
    """
    for call in calls:
        if call.is_output:
            found = _activation_of(call.layer)
            if found is not None:
                return found
    if num_outputs == 1:
        return OutputActivation(_measured(model, input_shape, "sigmoid"))
    return OutputActivation(_measured(model, input_shape, "softmax"))


def _activation_of(layer):
    if isinstance(layer, keras.layers.Softmax):
        return OutputActivation("softmax", layer, "call")
    activation = getattr(layer, "activation", None)
    if activation is keras.activations.linear:
        return OutputActivation("linear")
    for name in ("softmax", "sigmoid"):
        if activation is getattr(keras.activations, name):
            return OutputActivation(name, layer, "activation")
    return None


def _measured(model, input_shape, activation):
    """Tells whether random images give values as `activation` does."""
    shape = [8] + [side or 32 for side in input_shape[1:]]
    images = keras.random.uniform(shape, seed=0)
    outputs = ops.convert_to_numpy(
        model(as_input(model, images), training=False)
    )
    looks = is_probability(outputs)
    return activation if looks else "linear"


def is_probability(outputs):
    """Tells whether NumPy outputs `(batch, outputs)` are probabilities."""
    outputs = outputs.astype("float64")
    inside = (outputs >= 0).all() and (outputs <= 1).all()
    if outputs.shape[-1] == 1:
        return bool(inside)
    return bool(inside and (abs(outputs.sum(-1) - 1) < 1e-2).all())
