"""Tests of what is noticed of preprocessing."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_attn_defense.classifier import Classifier
from keras_attn_defense.classifier import built_in_preprocessing
from keras_attn_defense.classifier import check_built_in_scale
from tests import networks


def behind(*first):
    """The layers `first`, and then a network."""
    x = inputs = keras.Input(networks.IMAGE_SHAPE)
    for layer in first:
        x = layer(x)
    return keras.Model(inputs, networks.nested()(x))


class Task(keras.Sequential):
    """As keras-hub's tasks, which are tested where it is installed."""

    preprocessor = None

    def preprocess_samples(self, x):
        return self.preprocessor(x)


def test_a_preprocessor_outside_of_the_call_is_refused():
    task = Task([keras.Input(networks.IMAGE_SHAPE), networks.linear()])
    Classifier(task)
    task.preprocessor = np.negative

    with pytest.raises(ValueError, match=r"`kad.with_preprocessing\(task\)`"):
        Classifier(task)


def test_finds_layers_that_rescale_before_the_first_weights():
    rescaling = layers.Rescaling(1 / 255)
    model = behind(layers.ZeroPadding2D(0), rescaling)

    assert built_in_preprocessing(Classifier(model)) is rescaling
    late = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(3, 1), layers.Rescaling(1 / 255)]
    )
    late.add(networks.linear())
    assert built_in_preprocessing(Classifier(late)) is None


def test_warns_of_a_range_that_the_model_is_not_made_for():
    classifier = Classifier(behind(layers.Rescaling(1 / 255)))

    check_built_in_scale(classifier, (0.0, 255.0))
    with pytest.warns(UserWarning, match="multiplies images by 0.003922"):
        check_built_in_scale(classifier, (0.0, 1.0))
    check_built_in_scale(
        Classifier(behind(layers.Rescaling(2.0, -1.0))), (0.0, 1.0)
    )
