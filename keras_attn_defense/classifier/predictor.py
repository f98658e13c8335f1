"""Fresh predictions of the model, from which success is judged."""

import numpy as np
from keras import ops

from ..data import padded_batches
from .compiled_functions import CompiledFunctions


def _functions(victim):
    return {"logits": victim.logits}


class Predictor:
    """Predicts in batches of few sizes, compiled once for each.

    Args:
        victim: A classifier view; see `classifier.as_classifier`.
        batch_size: Images in one call.
        code: What `predictions()` returned, to share compiled code with other
            predictors. None means its own.
    """

    def __init__(self, victim, batch_size, code=None):
        self.victim = victim
        self.batch_size = batch_size
        self._code = code or predictions()

    def logits(self, images):
        """Logits `(N, classes)` of NumPy images, in NumPy."""
        run, pieces = self._code(self.victim)["logits"], []
        for rows, (batch,) in padded_batches(images, size=self.batch_size):
            logits = np.asarray(ops.convert_to_numpy(run(batch)))
            pieces.append(logits[: rows.stop - rows.start])
        return np.concatenate(pieces)

    def classes(self, images):
        """Predicted classes; -1 where the model answers NaN."""
        return predicted_classes(self.logits(images))


def predicted_classes(logits):
    """Returns the classes of NumPy logits; -1 where one is NaN."""
    return np.where(np.isnan(logits).any(-1), -1, logits.argmax(-1))


def predictions():
    """Compiled predictions, of functions from images to logits too.

    The weights of a function are taken to stay as they are.
    """
    return CompiledFunctions(_functions, keeps_functions=True)
