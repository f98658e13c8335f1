"""Tests of finding the layer whose attention is read."""

import keras
import pytest
from keras import layers
from keras import ops

from keras_attn_defense.classifier import Classifier
from tests import networks


def feature_layer(model, layer=None):
    return Classifier(model).feature_layer(layer)


@pytest.mark.parametrize(
    "form, name",
    [
        ("sequential", "last"),
        ("functional", "features"),
        ("nested", "backbone"),  # The same map as that of its last layer.
        ("subclassed", "last"),
    ],
)
def test_default_feeds_the_pooling_or_flattening(form, name):
    assert feature_layer(networks.FORMS[form]()).name == name


def test_default_passes_over_1x1_maps_and_padding():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="wanted"),
            layers.ZeroPadding2D(1),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Conv2D(3, 1, name="not_this"),
            layers.Flatten(),
        ]
    )

    assert feature_layer(model).name == "wanted"


def test_layer_by_name_path_and_itself():
    model = networks.nested()
    inner = model.get_layer("backbone").get_layer("inner")

    assert feature_layer(model, "inner") is inner
    assert feature_layer(model, inner.path) is inner
    assert feature_layer(model, inner) is inner
    assert feature_layer(networks.residual(), "branch").name == "branch"


def test_unknown_name():
    with pytest.raises(
        ValueError, match=r"no layer named 'lasst'.*nearest.*'last'.*'first'"
    ):
        feature_layer(networks.sequential(), "lasst")


def test_layer_of_another_model():
    other = networks.sequential().get_layer("last")

    with pytest.raises(ValueError, match="'last' is not a layer of this model"):
        feature_layer(networks.sequential(), other)


def test_layer_without_a_map():
    with pytest.raises(
        ValueError, match=r"'head' has an output of shape \(None, 4\).*'last'"
    ):
        feature_layer(networks.sequential(), "head")


def test_layer_that_runs_twice():
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(shared(shared(inputs)))
    model = keras.Model(inputs, layers.Dense(4)(x))

    with pytest.raises(ValueError, match="'shared' runs 2 times"):
        feature_layer(model, "shared")


def test_ambiguous_name():
    def block(name):
        return keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                layers.Conv2D(3, 3, padding="same", name="conv"),
            ],
            name=name,
        )

    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            block("one"),
            block("two"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )

    with pytest.raises(ValueError, match="2 layers are named 'conv'.*paths"):
        feature_layer(model, "conv")
    wanted = model.get_layer("two").get_layer("conv")
    assert feature_layer(model, wanted) is wanted


def test_model_without_maps():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(4)]
    )

    with pytest.raises(ValueError, match="no attention map to take"):
        feature_layer(model)


def test_data_format():
    model = keras.Sequential(
        [
            keras.Input((3, 9, 8)),
            layers.Conv2D(5, 3, data_format="channels_first", name="conv"),
            layers.Activation("relu", name="act"),
            layers.GlobalAveragePooling2D(data_format="channels_first"),
            layers.Dense(4),
        ]
    )
    keras.config.set_image_data_format("channels_first")
    classifier = Classifier(model)

    for name in ("conv", "act"):
        layer = classifier.feature_layer(name)
        assert classifier.feature_size(layer) == (7, 6)
        features = classifier.as_map(ops.zeros((1, 5, 7, 6)), layer)
        assert tuple(features.shape) == (1, 7, 6, 5)
