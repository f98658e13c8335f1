"""Logits of a Keras classifier, for libraries that differentiate them."""

import functools

import numpy as np
from keras import ops

from .._backend import differentiable
from .._backend import vjp
from ..classifier import CompiledFunctions
from ..classifier import as_classifier
from ..classifier import normalized_pullback
from ..data import padded_batches
from ..data import to_numpy


class DifferentiableLogits:
    """Logits of images, compiled once, for any output activation.

    Called with a tensor, they can be differentiated like any operation of the
    Keras backend in use; `predict` and `batches` are for NumPy. The model runs
    in inference mode with constant weights, and its state does not change; a
    random model uses new random numbers in each call.

    Args:
        model: A Keras classifier, a view of one, or a function from images to
            logits.
    """

    def __init__(self, model):
        self.victim = as_classifier(model)
        #: Numbers of images that went through the model, and of gradients.
        self.forward_passes = self.backward_passes = 0
        self._draw = 0
        self._code = CompiledFunctions(_functions, compile=differentiable)

    @property
    def num_classes(self):
        """The number of classes; None for a function before its first call."""
        return self.victim.num_classes

    @property
    def image_shape(self):
        """The shape `(height, width, channels)`; unknown sizes are None."""
        return (self.victim.input_shape or (None,) * 4)[1:]

    def __call__(self, images):
        """Computes differentiable logits.

        Args:
            images: Tensor `(batch, height, width, channels)`.

        Returns:
            A float32 tensor `(batch, classes)`.
        """

        # The gradient of whoever differentiates these logits is ours: compiled,
        # with weights as constants, and with its digits kept in half precision.
        @ops.custom_gradient
        def logits(images):
            logits, pullback = self._vjp(images)

            def gradient(*positional, upstream=None, variables=None):
                self.backward_passes += len(images)
                if upstream is None:
                    # Only PyTorch passes it by keyword.
                    (upstream,) = positional
                gradient = pullback(upstream)
                if variables is None:
                    return gradient
                # TensorFlow also expects the gradients of the weights.
                return gradient, [None] * len(variables)

            return logits, gradient

        self.forward_passes += len(images)
        return logits(images)

    def without_gradient(self, images):
        """Computes logits that cannot be differentiated, at less cost."""
        self.forward_passes += len(images)
        return ops.stop_gradient(self._logits(images))

    def predict(self, images, batch_size):
        """Computes logits of any number of NumPy images, in NumPy."""
        self.forward_passes += len(images)
        pieces = [
            to_numpy(self._logits(batch))[: rows.stop - rows.start]
            for rows, (batch,) in padded_batches(images, size=batch_size)
        ]
        return np.concatenate(pieces)

    def batches(self, images, batch_size):
        """Computes logits and their gradients in NumPy, batch by batch.

        Args:
            images: NumPy images `(num, height, width, channels)`.
            batch_size: Number of images in one compiled call.

        Yields:
            The slice of rows, their logits, and a function from weights of
            the logits `(rows, classes)` to the gradient of the weighted sum
            with respect to the images.
        """
        for rows, (batch,) in padded_batches(images, size=batch_size):
            count = rows.stop - rows.start
            self.forward_passes += count
            logits, pullback = self._vjp(batch)
            gradient = functools.partial(self._numpy_gradient, pullback, batch)
            yield rows, to_numpy(logits)[:count], gradient

    def _numpy_gradient(self, pullback, batch, weights):
        """Computes the gradient of weighted logits in NumPy."""
        self.backward_passes += len(weights)
        # The batch may be padded to its full size, its weights are not.
        padding = [(0, len(batch) - len(weights)), (0, 0)]
        padded = np.pad(weights.astype("float32"), padding)
        gradient = pullback(ops.convert_to_tensor(padded))
        return to_numpy(gradient)[: len(weights)]

    def _vjp(self, images):
        """Returns logits, and a function from their weights to gradients."""
        logits, pullback = vjp(self._logits, images, reusable=True)
        return ops.stop_gradient(logits), normalized_pullback(pullback)

    def _logits(self, images):
        """Computes logits with new random numbers."""
        self._draw += 1
        draw = ops.convert_to_tensor(self._draw, "int32")
        if not self.victim.variables:
            # A plain function may read weights, which compiled code would keep
            # as constants.
            return self.victim.with_draw(draw).frozen_logits(images)
        return self._code(self.victim)["logits"](images, draw)


def _functions(victim):
    def logits(images, draw):
        return victim.with_draw(draw).frozen_logits(images)

    return {"logits": logits}
