"""Run a model once without values and write down what its layers did."""

import contextlib
from typing import Any
from typing import NamedTuple

import keras

from .._backend import values_inside
from .intercept import intercept

# One image could be taken for an axis to drop or to broadcast.
_FEW = 2


class LayerCall(NamedTuple):
    """One layer's turn in a model's forward pass.

    Args:
        layer: The layer.
        shape: The shape of its output, or None where it is no single tensor.
        is_output: Whether its output is the model's output.
    """

    layer: keras.layers.Layer
    shape: tuple | None
    is_output: bool


def layer_calls(model, input_shape):
    """Lists the calls of all layers of `model`, nested ones too, in order.

    Nothing is computed: the model runs on its backend's symbolic tensors. That
    treats Sequential, Functional, nested and subclassed models alike.

    Args:
        model: A built `keras.Model`.
        input_shape: Its input's shape, with None for the batch size.

    Returns:
        A list of `LayerCall`, and the shape of the model's output.
    """
    calls, outputs = [], []
    values = values_inside(model.variables)

    def forward(inputs):
        calls.clear()  # PyTorch runs twice to find unknown sizes.
        with values, contextlib.ExitStack() as stack:
            for layer in all_layers(model):
                stack.enter_context(
                    intercept(layer, "call", _recorder(layer, calls))
                )
            outputs[:] = [model(as_input(model, inputs), training=False)]
        return outputs[0]

    spec = run_symbolically(forward, input_shape)
    listed = [
        LayerCall(layer, _shape(output), output is outputs[0])
        for layer, output in calls
    ]
    return listed, _shape(spec)


def run_symbolically(function, input_shape):
    """Runs a function of a batch of images on tensors without values.

    Args:
        function: The function; it may run models and take gradients.
        input_shape: The shape of its input; its first entry does not matter.

    Returns:
        What it returns, as `keras.KerasTensor`s.
    """
    # With an unknown size PyTorch runs twice, and where there is a gradient it
    # has to compute: with as many images as Keras takes for an unknown size.
    shape = (_FEW, *input_shape[1:])
    return _Symbolic(function)(keras.KerasTensor(shape))


def as_input(model: Any, images: Any) -> Any:
    """Images in the structure that a model declares: a dict of one, say."""
    # Only functional models declare one.
    declared = None
    if getattr(model, "inputs", None):
        declared = getattr(model, "input", None)
    if not isinstance(declared, (dict, list, tuple)):
        return images
    return keras.tree.map_structure(lambda _: images, declared)


def all_layers(model: Any) -> Any:
    """All layers inside `model`, however deep."""
    return list(model._flatten_layers(include_self=False))


class _Symbolic(keras.layers.Layer):
    """Keras' public way to run a function on symbolic backend tensors."""

    def __init__(self, function):
        # TensorFlow takes no scope name with a leading underscore.
        super().__init__(name="symbolic", dtype="float32", autocast=False)
        self.function = function
        self.built = True

    def call(self, inputs):
        return self.function(inputs)


def _recorder(layer, calls):
    def handler(original, *args, **kwargs):
        output = original(*args, **kwargs)
        calls.append((layer, output))
        return output

    return handler


def _shape(tensor):
    shape = getattr(tensor, "shape", None)
    # The batch size is whatever placeholder the backend uses for it.
    return None if shape is None else (None, *shape[1:])
