"""Tests of tasks that prepare images outside their call."""

import keras
import numpy as np
import pytest

from keras_attn_defense.classifier import Classifier
from tests import networks


class Task(keras.Sequential):
    """As keras-hub's tasks, which are tested where it is installed."""

    preprocessor = None

    def preprocess_samples(self, x):
        return self.preprocessor(x)


def test_a_preprocessor_outside_of_the_call_is_refused():
    task = Task([keras.Input(networks.IMAGE_SHAPE), networks.linear()])
    Classifier(task)
    task.preprocessor = np.negative

    with pytest.raises(
        ValueError, match=r"`kad.preprocessing.with_preprocessing\(task\)`"
    ):
        Classifier(task)
