"""Maps of any number of images, by code compiled once."""

import numpy as np
from keras import ops

from .._backend import compiled
from ..attention.resizing import upsampled
from ..classifier.padding import padded_batches
from .maps import checked_maps


class MapsOfImages:
    """Attention maps at the size of the images, in NumPy.

    Args:
        attention: An `AttentionMethod`.
        classifier: A `Classifier`.
        batch_size: Images in one call.
    """

    def __init__(self, attention, classifier, batch_size):
        self.attention = attention
        self.classifier = classifier
        self.batch_size = batch_size
        self._run = self._explain
        if attention.differentiable:
            self._run = compiled(self._untouched, classifier.variables)

    def __call__(self, images, labels):
        """Maps `(N, height, width)` for the classes `labels`."""
        found = []
        for rows, batch in padded_batches(images, labels, size=self.batch_size):
            maps = ops.convert_to_numpy(self._run(*batch))
            found.append(np.asarray(maps)[: rows.stop - rows.start])
        return checked_maps(np.concatenate(found))

    def _untouched(self, images, labels):
        with self.classifier.untouched():
            return self._explain(images, labels)

    def _explain(self, images, labels):
        maps = self.attention.explain(self.classifier, images, labels)[1]
        return ops.stop_gradient(upsampled(maps, images))
