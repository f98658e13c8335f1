"""Fresh predictions of the model, from which success is judged."""

import numpy as np
from keras import ops

from .._backend import compiled
from .padding import padded_batches


class Predictor:
    """Predicts in batches of few sizes, compiled once for each.

    Args:
        victim: A classifier view; see `classifier.as_classifier`.
        batch_size: Images in one call.
    """

    def __init__(self, victim, batch_size):
        self.victim = victim
        self.batch_size = batch_size
        self._logits = compiled(victim.logits, victim.variables)

    def logits(self, images):
        """Logits `(N, classes)` of NumPy images, in NumPy."""
        pieces = []
        for rows, (batch,) in padded_batches(images, size=self.batch_size):
            logits = np.asarray(ops.convert_to_numpy(self._logits(batch)))
            pieces.append(logits[: rows.stop - rows.start])
        return np.concatenate(pieces)

    def classes(self, images):
        """Predicted classes; -1 where the model answers NaN."""
        logits = self.logits(images)
        return np.where(np.isnan(logits).any(-1), -1, logits.argmax(-1))
