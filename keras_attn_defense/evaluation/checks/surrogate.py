"""Views of a network without what may hide its logits or its gradient."""

import contextlib

import keras
from keras import ops

from ...classifier import Classifier
from ...classifier import full_precision
from ...classifier.intercept import intercept

_KERAS = "keras."


class Surrogate(Classifier):
    """Reads logits inside a model, and takes gradients past some layers.

    Its predictions are not the model's; adversarial images found on it are
    tried on the model.

    Args:
        model: A built Keras classifier.
        hidden: The layer whose output takes the place of the logits, or None.
        bypassed: Layers that keep the shape of their input: they run as they
            are, and gradients pass them unchanged.
    """

    def __init__(self, model, hidden=None, bypassed=()):
        super().__init__(model)
        self.hidden = hidden
        self.bypassed = tuple(bypassed)

    @property
    def identity(self):
        return self.model, self.hidden, self.bypassed

    def __call__(self, images, training=False, layers=(), tap=None):
        captured = []

        def listen(output):
            captured.append(output)
            return output

        with contextlib.ExitStack() as stack:
            for layer in self.bypassed:
                stack.enter_context(intercept(layer, "call", _straight_through))
            if self.hidden is None:
                return super().__call__(images, training, layers, tap)
            outputs = super().__call__(images, training, [self.hidden], listen)[
                1
            ]
        return full_precision(captured[-1]), outputs


def surrogates(victim):
    """Lists surrogates that may be easier to attack than the model is.

    Args:
        victim: A classifier view.

    Returns:
        A list of pairs: what is different, in words, and the `Surrogate`;
        empty where no layer hides anything.

    Raises:
        ValueError: If the layers of the model are not known.
    """
    if type(victim) is not Classifier:
        raise ValueError(
            "the layers of a function, or of a view, are not known. Pass the "
            "Keras model itself."
        )
    model, hidden = victim.model, _hidden_logits(victim)
    bypassed = list(filter(_may_mask, (call.layer for call in victim.calls)))
    bypassed = list({id(layer): layer for layer in bypassed}.values())
    # Each of the two alone, then both at once.
    found = []
    if hidden is not None:
        words = f"the output of its layer '{hidden.name}' taken for logits"
        found.append((words, Surrogate(model, hidden)))
    if bypassed:
        names = ", ".join(f"'{layer.name}'" for layer in bypassed)
        words = f"gradients passing {names} unchanged"
        found.append((words, Surrogate(model, None, bypassed)))
        if hidden is not None:
            words = f"{words}, and {found[0][0]}"
            found.append((words, Surrogate(model, hidden, bypassed)))
    return found


def _hidden_logits(victim):
    """The last layer with weights before the output that has its shape."""
    shape = (None, victim.num_outputs)
    if victim.num_outputs == 1:
        return None
    calls = [
        call
        for call in victim.calls
        if call.shape == shape and not call.is_output and call.layer.weights
    ]
    # A layer that another one contains answers the same.
    return calls[-1].layer if calls else None


def _may_mask(layer):
    """Tells whether a layer is a user's own code without weights or layers."""
    own = not type(layer).__module__.startswith(_KERAS)
    own = own or isinstance(layer, keras.layers.Lambda)
    return own and not layer.weights and not isinstance(layer, keras.Model)


def _straight_through(original, inputs, *args, **kwargs):
    """The values of a layer, with the slope of one that changes nothing."""
    if not hasattr(inputs, "shape"):
        return original(inputs, *args, **kwargs)
    values = original(ops.stop_gradient(inputs), *args, **kwargs)
    same = getattr(values, "shape", None) == inputs.shape
    if not same:
        return original(inputs, *args, **kwargs)
    smooth = ops.cast(inputs, values.dtype)
    return ops.stop_gradient(values) + (smooth - ops.stop_gradient(smooth))
