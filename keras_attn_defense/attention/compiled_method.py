"""An attention method on one classifier, compiled once where it can be."""

from keras import ops

from .._backend import compiled
from .resizing import upsampled


class CompiledMethod:
    """Logits and maps at the size of the images; the model stays untouched.

    Args:
        attention: The `AttentionMethod`.
        classifier: The `Classifier`.
    """

    def __init__(self, attention, classifier):
        self.attention = attention
        self.classifier = classifier
        self._run = self._explain
        if attention.differentiable:
            self._run = compiled(self._untouched, classifier.variables)

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
        return self._run(ops.convert_to_tensor(images), labels)

    def _untouched(self, images, labels):
        with self.classifier.untouched():
            return self._explain(images, labels)

    def _explain(self, images, labels):
        logits, maps, _ = self.attention.explain(
            self.classifier, images, labels
        )
        maps = upsampled(maps, images)
        return ops.stop_gradient(logits), ops.stop_gradient(maps)
