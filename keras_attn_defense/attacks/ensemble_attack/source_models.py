"""The models that an ensemble attack crafts its images on."""

import keras
import numpy as np
from keras import ops

from ...classifier import Classifier


class SourceModels:
    """Trained models, kept out of sight of Keras.

    A plain object: the layer that holds it does not track the models, so they
    are neither trained nor counted among its weights.

    Args:
        models: A list of built Keras classifiers.
        trained: Whether their weights are those that were meant. False for
            models rebuilt from their configuration, until weights are loaded.
    """

    def __init__(self, models, trained=True):
        models = list(models) if isinstance(models, (list, tuple)) else None
        if not models:
            raise ValueError(
                "`models` should be a list of at least one Keras classifier. "
                f"Received: {models!r}"
            )
        self._classifiers = [Classifier(model) for model in models]
        self._trained = trained

    @property
    def classifiers(self):
        """A classifier view of each model."""
        if not self._trained:
            raise ValueError(
                "The source models were rebuilt from their configuration, "
                "which has no weights. Load the whole model that trains with "
                "them (`keras.saving.load_model`), or pass trained models to "
                "`EnsembleAttack`."
            )
        for classifier in self._classifiers:
            classifier.refresh()
        return self._classifiers

    def configs(self):
        """The configurations of the models, without weights."""
        return [
            keras.saving.serialize_keras_object(each.model)
            for each in self._classifiers
        ]

    def save(self, store):
        """Writes all weights to a dict of arrays."""
        for key, variable in self._keyed():
            store[key] = ops.convert_to_numpy(variable)

    def load(self, store):
        """Reads what `save` wrote."""
        for key, variable in self._keyed():
            variable.assign(np.asarray(store[key]))
        self._trained = True

    def _keyed(self):
        for number, classifier in enumerate(self._classifiers):
            for index, variable in enumerate(classifier.variables):
                yield f"source_{number}_{index}", variable
