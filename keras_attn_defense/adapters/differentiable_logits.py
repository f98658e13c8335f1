"""Logits of a Keras classifier, for tools that differentiate them."""

import functools

import numpy as np
from keras import ops

from .._backend import differentiable
from .._backend import vjp
from ..classifier import CompiledFunctions
from ..classifier import as_classifier
from ..classifier.padding import padded_batches

# What the largest weight of an image's logits is brought to. Layers of half
# precision hold what is 250 times as large, and what is a billion times as
# small.
_GRADIENT_SCALE = 2.0**8


class DifferentiableLogits:
    """Logits of images, compiled once, whatever the model ends in.

    Called with a tensor, they can be differentiated like anything of the Keras
    backend in use; `predict` and `batches` are for tools outside of it. The
    model runs in inference mode with constant weights and stays as it is; a
    model that is random draws anew at each call.

    Args:
        model: A Keras classifier, a view of one, or a function from images to
            logits.
    """

    def __init__(self, model):
        self.victim = as_classifier(model)
        #: Passes of images through the model, and gradients taken of images.
        self.forward_passes = self.backward_passes = 0
        self._draws = 0
        self._code = CompiledFunctions(_functions, compile=differentiable)

    @property
    def num_classes(self):
        """The number of classes; None for a function not called so far."""
        return self.victim.num_classes

    @property
    def image_shape(self):
        """`(height, width, channels)`, None where a size is not known."""
        return getattr(self.victim, "input_shape", (None,) * 4)[1:]

    def __call__(self, images):
        """Logits `(batch, classes)`, a float32 tensor.

        Args:
            images: Tensor `(batch, height, width, channels)`.
        """

        @ops.custom_gradient
        def logits(images):
            logits, pullback = self._vjp(images)

            def gradient(*of_most, upstream=None, variables=None):
                self.backward_passes += len(images)
                if upstream is None:
                    (upstream,) = of_most
                gradient = pullback(upstream)
                if variables is None:
                    return gradient
                # TensorFlow also asks for those of the weights.
                return gradient, [None] * len(variables)

            return logits, gradient

        self.forward_passes += len(images)
        return logits(images)

    def without_gradient(self, images):
        """The same at less cost, if nobody takes gradients."""
        self.forward_passes += len(images)
        return ops.stop_gradient(self._drawn(images))

    def predict(self, images, batch_size):
        """The same in NumPy, for any number of images."""
        self.forward_passes += len(images)
        pieces = [
            _numpy(self._drawn(batch))[: rows.stop - rows.start]
            for rows, (batch,) in padded_batches(images, size=batch_size)
        ]
        return np.concatenate(pieces)

    def batches(self, images, batch_size):
        """Logits with their gradients, in NumPy.

        Args:
            images: NumPy images `(num, height, width, channels)`.
            batch_size: Images in one compiled call.

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
            yield rows, _numpy(logits)[:count], gradient

    def _numpy_gradient(self, pullback, batch, weights):
        self.backward_passes += len(weights)
        padding = [(0, len(batch) - len(weights)), (0, 0)]
        padded = np.pad(weights.astype("float32"), padding)
        gradient = pullback(ops.convert_to_tensor(padded))
        return _numpy(gradient)[: len(weights)]

    def _vjp(self, images):
        logits, pullback = vjp(self._drawn, images, reusable=True)

        def gradient(weights):
            size = ops.max(ops.abs(weights), axis=-1, keepdims=True)
            weights = ops.divide_no_nan(weights, size) * _GRADIENT_SCALE
            gradient = ops.cast(pullback(weights), "float32")
            gradient = ops.where(ops.isfinite(gradient), gradient, 0.0)
            return gradient * (size / _GRADIENT_SCALE)[:, :, None, None]

        return ops.stop_gradient(logits), gradient

    def _drawn(self, images):
        self._draws += 1
        draw = ops.convert_to_tensor(self._draws, "int32")
        if not self.victim.variables:
            # A plain function may read weights that compiled code would keep.
            return self.victim.with_draw(draw).frozen_logits(images)
        return self._code(self.victim)["logits"](images, draw)


def _functions(victim):
    def logits(images, draw):
        return victim.with_draw(draw).frozen_logits(images)

    return {"logits": logits}


def _numpy(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))
