"""Well-known networks, with random weights, as a user would pass them."""

import os
import pathlib

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from tests.models.helpers import last

# To compile them takes TensorFlow a quarter of a minute each and JAX a whole
# one: there ResNet50 and MobileNet stand for all.
pytestmark = pytest.mark.slow
IMAGENET = os.environ.get("IMAGENET_FOLDER")


def images(size, value_range=(0.0, 1.0), num=2):
    generator = np.random.default_rng(0)
    shape = (num, size, size, 3)
    return generator.uniform(*value_range, shape).astype("float32")


def check(base, size, layer, positions, value_range=(0.0, 1.0)):
    """Attacks and explains `base` through the layer that is expected."""
    model = kad.AttentionDefendedModel(
        base,
        kad.attacks.FGSM(),
        # On random weights Grad-CAM can be zero everywhere.
        kad.attention.LayerCAM(upsample=False),
        value_range=value_range,
    )
    assert model.classifier.feature_layer().name == layer
    x, y = images(size, value_range), np.array([0, 1])
    x_adv = ops.convert_to_numpy(model.craft(x, y))
    epsilon = 8 / 255 * (value_range[1] - value_range[0])
    assert 0.99 * epsilon < np.abs(x_adv - x).max() <= epsilon
    maps = ops.convert_to_numpy(model.attention_map(x, y))
    assert maps.shape == (2, size, size)
    assert np.isfinite(maps).all()
    assert len(np.unique(maps[0])) >= positions


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:The attention map of layer")
def test_mobilenet_is_trained():
    base = keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), classes=10
    )
    # JAX compiles each step of an attack again: one of them is enough.
    model = kad.AttentionDefendedModel(base, "fgsm", validation_attack="fgsm")
    before = base.get_weights()[0].copy()
    x, y = images(32), np.array([3, 7])
    logs = last(model.fit(x, y, validation_data=(x, y), epochs=1, verbose=0))
    assert {"val_robust_accuracy", "preservation_loss"} <= set(logs)
    assert all(np.isfinite(list(logs.values())))
    assert np.abs(base.get_weights()[0] - before).max() > 0


@pytest.mark.once
def test_mobilenet_v2():
    base = keras.applications.MobileNetV2(
        weights=None, input_shape=(96, 96, 3), classes=10
    )
    check(base, 96, "out_relu", 9, (-1.0, 1.0))


@pytest.mark.filterwarnings("ignore:The attention map of layer")
def test_resnet50():
    base = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=10
    )
    classifier = kad.preprocessing.with_preprocessing(base, "caffe")
    check(classifier, 64, "conv5_block3_out", 4, (0.0, 255.0))


@pytest.mark.once
def test_inception_v3():
    base = keras.applications.InceptionV3(
        weights=None, input_shape=(139, 139, 3), classes=10
    )
    classifier = kad.preprocessing.with_preprocessing(
        base, "tf", value_range=(0, 1)
    )
    check(classifier, 139, "mixed10", 9)


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:The attention map of layer")
def test_efficientnet_b0():
    base = keras.applications.EfficientNetB0(
        weights=None, input_shape=(64, 64, 3), classes=10
    )
    check(base, 64, "top_activation", 4, value_range=(0.0, 255.0))


@pytest.mark.skipif(IMAGENET is None, reason="IMAGENET_FOLDER is not set")
def test_published_weights_need_their_preprocessing():
    """`mobilenet_0.75.weights.h5`, and images that it is right about."""
    folder = pathlib.Path(IMAGENET)
    with np.load(folder / "images.npz") as file:
        x, y = file["x"].astype("float32"), file["y"]
    network = keras.applications.MobileNet(alpha=0.75, weights=None)
    network.load_weights(folder / "mobilenet_0.75.weights.h5")

    def accuracy(model, values=x):
        return np.mean(model.predict(values, verbose=0).argmax(-1) == y)

    classifier = kad.preprocessing.with_preprocessing(network, "tf")
    assert accuracy(classifier) == 1.0
    unit = kad.preprocessing.with_preprocessing(
        network, "tf", value_range=(0, 1)
    )
    assert accuracy(unit, x / 255) == 1.0
    assert accuracy(network) < 0.05
    assert (
        accuracy(kad.preprocessing.with_preprocessing(network, "caffe")) < 0.05
    )
