"""An attention method on one classifier, compiled once where possible."""

from keras import ops

from ..classifier import CompiledFunctions
from .resizing import upsampled


class CompiledMethod:
    """Logits and maps at the size of the images.

    They are computed with the weights that the model has at each call. The
    model's state does not change.

    Args:
        attention: The `AttentionMethod`.
        classifier: The `Classifier`.
    """

    def __init__(self, attention, classifier):
        self.attention = attention
        self.classifier = classifier
        self._code = CompiledFunctions(_functions)

    def __call__(self, images, labels=None):
        """Explains a batch.

        Args:
            images: `(batch, height, width, channels)`, NumPy or tensor.
            labels: Class indices to look for. None means the predicted ones.

        Returns:
            Tensors: logits `(batch, classes)`, maps `(batch, height, width)`.
        """
        if labels is not None:
            labels = ops.convert_to_tensor(labels)
        images = ops.convert_to_tensor(images)
        if not self.attention.differentiable:
            # Such a method runs the model itself, outside of any step.
            self.classifier.refresh()
            return _explain(self.attention, self.classifier, images, labels)
        run = self._code(self.attention, self.classifier)["explain"]
        return run(images, labels)


def _functions(attention, classifier):
    def explain(images, labels):
        with classifier.stateless():
            return _explain(attention, classifier, images, labels)

    return {"explain": explain}


def _explain(attention, classifier, images, labels):
    logits, maps, _ = attention.explain(classifier, images, labels)
    maps = upsampled(maps, images)
    # No gradients are wanted, and on PyTorch they would keep all activations.
    return ops.stop_gradient(logits), ops.stop_gradient(maps)
