"""Logits of a Keras classifier, for tools that differentiate them."""

import numpy as np
from keras import ops

from .._backend import differentiable
from .._backend import vjp
from ..classifier import as_classifier
from ..classifier import check_value_range
from ..classifier.padding import padded_batches

# Gradients pass layers of half precision this many times as large, and leave
# the images in their own size.
_GRADIENT_SCALE = 2.0**8


class DifferentiableLogits:
    """Logits of images, compiled once, whatever the model ends in.

    Called with a tensor, they can be differentiated as anything of the Keras
    backend in use; `predict` and `batches` are for tools outside of it. The
    model runs in inference mode with constant weights and stays as it is; a
    model that is random draws anew at each call.

    Args:
        model: A Keras classifier, a view of one, or a function from images to
            logits.
    """

    def __init__(self, model):
        victim = as_classifier(model)
        self.victim = victim
        #: Passes of images through the model, and gradients taken of images.
        self.forward_passes = self.backward_passes = 0
        self._draws = 0

        def logits(images, draw):
            images = _with_scaled_gradient(images, 1.0 / _GRADIENT_SCALE)
            logits = victim.drawn(draw).frozen_logits(images)
            return _with_scaled_gradient(logits, _GRADIENT_SCALE)

        # A plain function may read weights that compiled code would keep.
        known = victim.variables
        self._logits = differentiable(logits, known) if known else logits

    @property
    def num_classes(self):
        """The number of classes; None for a function not called so far."""
        return self.victim.num_classes

    @property
    def image_shape(self):
        """`(height, width, channels)`, None where a size is not known."""
        return getattr(self.victim, "input_shape", (None,) * 4)[1:]

    def value_range(self, given):
        """The bounds of the images: those given, or else the model's."""
        if given is not None:
            return check_value_range(given)
        return getattr(self.victim, "value_range", None) or (0.0, 1.0)

    def __call__(self, images):
        """Logits `(batch, classes)`, a float32 tensor.

        Args:
            images: Tensor `(batch, height, width, channels)`.
        """
        self.forward_passes += len(images)
        return self._counted(self._drawn_logits(images))

    def predict(self, images, batch_size):
        """The same in NumPy, for any number of images."""
        pieces = []
        for rows, (batch,) in padded_batches(images, size=batch_size):
            logits = _numpy(self._drawn_logits(batch))
            pieces.append(logits[: rows.stop - rows.start])
        self.forward_passes += len(images)
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
            logits, pullback = vjp(self._drawn_logits, batch, reusable=True)
            self.forward_passes += rows.stop - rows.start
            gradient = self._gradient(pullback, len(batch))
            yield rows, _numpy(logits)[: rows.stop - rows.start], gradient

    def _gradient(self, pullback, size):
        def gradient(weights):
            self.backward_passes += len(weights)
            padding = [(0, size - len(weights)), (0, 0)]
            weights_of_batch = np.pad(weights.astype("float32"), padding)
            gradient = pullback(ops.convert_to_tensor(weights_of_batch))
            return _numpy(gradient)[: len(weights)]

        return gradient

    def _drawn_logits(self, images):
        self._draws += 1
        return self._logits(images, ops.convert_to_tensor(self._draws, "int32"))

    def _counted(self, logits):
        """`logits`, with every gradient that is taken of them counted."""

        @ops.custom_gradient
        def identity(logits):
            def gradient(*upstream_of_most, upstream=None):
                self.backward_passes += len(logits)
                if upstream is None:
                    (upstream,) = upstream_of_most
                return upstream

            return logits, gradient

        return identity(logits)


def _with_scaled_gradient(x, scale):
    """`x` to the last bit, with a gradient `scale` times as large."""
    constant = ops.stop_gradient(x)
    return constant + scale * (x - constant)


def _numpy(tensor):
    return np.asarray(ops.convert_to_numpy(tensor))
