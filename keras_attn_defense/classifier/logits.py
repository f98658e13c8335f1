"""Find the logits of a model, whatever activation it ends in."""

from typing import NamedTuple

import keras
from keras import ops

from .precision import full_precision
from .structure import as_input


class Ending(NamedTuple):
    """The ending of a model.

    Args:
        activation: "softmax", "sigmoid" or "linear": what was applied to the
            logits.
        layer: The layer that applies it, where it can be listened to; else
            None, and the logits are computed back from the probabilities.
        attribute: Name of the function of `layer` whose first argument is the
            logits.
    """

    activation: str
    layer: keras.layers.Layer | None = None
    attribute: str | None = None

    def logits(self, heard, outputs):
        """Two or more logits per image, in float32 or wider.

        Args:
            heard: The function's argument, if `layer` is set.
            outputs: The model's outputs `(batch, outputs)`.
        """
        logits = self._raw(heard, outputs)
        if logits.shape[-1] == 1:
            # sigmoid(z) is softmax of (-z / 2, z / 2), which gives both
            # classes a gradient and so an attention map.
            half = logits / 2.0
            logits = ops.concatenate([-half, half], axis=-1)
        return logits

    def _raw(self, heard, outputs):
        if self.layer is not None:
            return full_precision(heard)
        outputs = full_precision(outputs)
        tiny = 1e-30
        if self.activation == "softmax":
            return ops.log(ops.maximum(outputs, tiny))
        if self.activation == "sigmoid":
            return ops.log(ops.maximum(outputs, tiny)) - ops.log(
                ops.maximum(1.0 - outputs, tiny)
            )
        return outputs


def find_ending(calls, model, input_shape, num_outputs):
    """Finds what a model does to its logits at the end.

    Args:
        calls: What `layer_calls` returned.
        model: The model; run on random images if its layers do not tell.
        input_shape: The shape of its input.
        num_outputs: The number of its outputs.

    Returns:
        An `Ending`.
    """
    for call in calls:
        if call.is_output:
            ending = _ending_of(call.layer)
            if ending is not None:
                return ending
    if num_outputs == 1:
        return Ending(_measured(model, input_shape, "sigmoid"))
    return Ending(_measured(model, input_shape, "softmax"))


def _ending_of(layer):
    if isinstance(layer, keras.layers.Softmax):
        return Ending("softmax", layer, "call")
    activation = getattr(layer, "activation", None)
    if activation is keras.activations.linear:
        return Ending("linear")
    for name in ("softmax", "sigmoid"):
        if activation is getattr(keras.activations, name):
            return Ending(name, layer, "activation")
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
