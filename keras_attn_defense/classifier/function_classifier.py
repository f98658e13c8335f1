"""The view of a plain function from images to logits."""

import numpy as np
from keras import Layer
from keras import Model
from keras import ops

from .._backend import is_torch_module
from .classifier import Classifier
from .classifier_view import ClassifierView
from .logits import is_probability


def as_classifier(model: Model) -> ClassifierView:
    """Views a Keras model, or a function from images to logits.

    A view is returned as it is.
    """
    if isinstance(model, Model):
        return Classifier(model)
    if isinstance(model, ClassifierView):
        return model
    if is_torch_module(model) and not isinstance(model, Layer):
        raise ValueError(
            f"Received a PyTorch module ({type(model).__name__}), which takes "
            "channels first. Wrap it with its adapter: "
            "`kad.adapters.from_torch_module(module, (height, width, "
            "channels))`, where Keras runs on PyTorch."
        )
    if hasattr(model, "shape"):
        raise ValueError(
            "Expected a Keras classifier or a function from images to logits "
            f"as the first argument. Received: {type(model).__name__} of shape "
            f"{tuple(model.shape)}. An attack is called as `attack(model, x, "
            "y)`; a defended model crafts by `model.craft(x, y)`."
        )
    if not callable(model):
        raise ValueError(
            "Expected a Keras classifier or a function from images to logits. "
            f"Received: {model!r} (of type {type(model).__name__})."
        )
    return FunctionClassifier(model)


class FunctionClassifier(ClassifierView):
    """The view of a function from images to logits.

    Args:
        function: Takes images `(batch, height, width, channels)`, returns
            logits `(batch, classes)`, without side effects. Its random numbers
            are left as it draws them.
    """

    variables = ()

    def __init__(self, function):
        self.model = function
        self.num_classes = None  # Not known before the first images.

    def logits(self, images):
        """The function's logits, in float32."""
        return ops.cast(self.model(images), "float32")

    def frozen_logits(self, images):
        """Computes logits: a function's weights are constants anyway."""
        return self.logits(images)

    def check_logits(self, images):
        """Raises a `ValueError` if the function returns probabilities.

        One-hot vectors are let through: there are attacks that need no more.
        Takes the number of classes from the logits.
        """
        outputs = ops.convert_to_numpy(self.logits(images))
        self.num_classes = outputs.shape[-1]
        one_hot = np.isin(outputs, (0.0, 1.0)).all()
        if is_probability(outputs) and not one_hot:
            raise ValueError(
                "The function to attack returns probabilities where logits are "
                "expected: the gradient of probabilities vanishes where the "
                "function is sure. Return the values before the softmax, or "
                "pass the Keras model itself, whose logits are found."
            )
