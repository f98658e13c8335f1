"""Tests of what is noticed of preprocessing inside of models."""

import keras
import pytest
from keras import layers

from keras_attn_defense.classifier import Classifier
from keras_attn_defense.preprocessing.built_in import built_in_preprocessing
from keras_attn_defense.preprocessing.built_in import check_built_in_scale
from tests import networks


def behind(*first):
    """The layers `first`, and then a network."""
    x = inputs = keras.Input(networks.IMAGE_SHAPE)
    for layer in first:
        x = layer(x)
    return keras.Model(inputs, networks.nested()(x))


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
