"""Tests of pretrained networks that take plain images."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.applications.imagenet_utils import preprocess_input

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import last
from tests.testing import finite_differences
from tests.testing import gradient
from tests.testing import to_numpy

STYLES = ("caffe", "tf", "torch")
X, Y = networks.images_and_labels()
BYTES = 255 * X


def in_range(value_range):
    lower, upper = value_range
    return lower + (upper - lower) * X


@pytest.fixture(scope="module")
def network():
    return networks.nested("softmax")


@pytest.mark.parametrize("value_range", [(0, 255), (0, 1), (-1, 1)])
@pytest.mark.parametrize("style", STYLES)
def test_values_are_those_of_keras_applications(network, style, value_range):
    found = kad.preprocessing.with_preprocessing(
        network, style, value_range=value_range
    )

    values = to_numpy(found.preprocessing(in_range(value_range)))
    expected = preprocess_input(BYTES.copy(), mode=style)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("style", STYLES)
def test_predictions_are_those_of_the_network(network, style):
    classifier = kad.preprocessing.with_preprocessing(network, style)

    expected = network(preprocess_input(BYTES.copy(), mode=style))
    predictions = to_numpy(classifier(BYTES))
    np.testing.assert_allclose(predictions, to_numpy(expected), atol=1e-6)
    without = to_numpy(network(BYTES))
    assert abs(predictions - without).max() > 0.01
    assert classifier.value_range == (0.0, 255.0)
    assert len(classifier.weights) == len(network.weights)


def test_a_range_is_a_style(network):
    classifier = kad.preprocessing.with_preprocessing(
        network, (-1, 1), value_range=(0, 1)
    )

    expected = to_numpy(network(2 * X - 1))
    np.testing.assert_allclose(to_numpy(classifier(X)), expected, atol=1e-6)


def test_a_layer_gets_the_images_as_they_are(network):
    normalization = layers.Normalization(mean=[0.5] * 3, variance=[0.25] * 3)
    classifier = kad.preprocessing.with_preprocessing(
        network, normalization, value_range=(0, 1)
    )

    expected = to_numpy(network(2 * X - 1))
    np.testing.assert_allclose(to_numpy(classifier(X)), expected, atol=1e-6)


def test_the_gradient_of_images(network):
    layer = kad.preprocessing.InputPreprocessing(
        [0.004, 0.008, 0.006], [-0.5, 0.1, 0.2], reverse_channels=True
    )
    classifier = kad.preprocessing.with_preprocessing(network, layer)

    def score(images):
        return keras.ops.sum(classifier(images)[:, 1])

    indices = [87, 301, 500]  # A channel each.
    expected = finite_differences(
        lambda images: float(to_numpy(score(images.astype("float32")))),
        BYTES.astype("float64"),
        indices,
        step=4.0,
    )
    found = gradient(score, BYTES)[0]
    np.testing.assert_allclose(
        found.flat[indices], expected, rtol=0.02, atol=1e-6
    )


def test_trained_saved_and_loaded(network, tmp_path):
    classifier = kad.preprocessing.with_preprocessing(network, "tf")
    classifier.compile(keras.optimizers.Adam(0.25), "mse")
    model = kad.AttentionDefendedModel(
        classifier, kad.attacks.FGSM(), validation_attack=None
    )
    assert model.value_range == (0.0, 255.0)
    assert model.classifier.feature_layer().name == "backbone"
    x_adv = to_numpy(model.craft(BYTES, Y))
    change = abs(x_adv - np.clip(x_adv, BYTES - 8, BYTES + 8)).max()
    assert change < 1e-4 and abs(x_adv - BYTES).max() > 7.9

    logs = last(model.fit(BYTES, np.eye(4)[Y], verbose=0))
    assert logs["preservation_loss"] >= 0
    assert float(to_numpy(model.optimizer.learning_rate)) == 0.25

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.base.value_range == loaded.value_range == (0.0, 255.0)
    assert loaded.base.network.name == network.name
    expected = to_numpy(model(BYTES))
    np.testing.assert_allclose(to_numpy(loaded(BYTES)), expected, atol=1e-6)


def test_what_the_network_is_compiled_with_is_taken_over():
    base = networks.linear()
    base.compile(keras.optimizers.SGD(0.125), "mse")

    classifier = kad.preprocessing.with_preprocessing(base, "tf")
    assert isinstance(classifier.optimizer, keras.optimizers.SGD)
    assert float(to_numpy(classifier.optimizer.learning_rate)) == 0.125


def test_reports_and_attacks_know_the_range(network):
    classifier = kad.preprocessing.with_preprocessing(network, "tf")

    attack = kad.attacks.FGSM()
    assert attack.resolve_value_range(classifier) == (0.0, 255.0)
    with pytest.raises(ValueError, match="Leave `value_range` out"):
        kad.evaluate_robustness(classifier, BYTES, Y, value_range=(0, 1))


def test_mixed_precision_does_not_round_images():
    base = networks.functional(dtype="mixed_bfloat16")
    classifier = kad.preprocessing.with_preprocessing(base, "torch")

    values = classifier.preprocessing(BYTES)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    expected = base(preprocess_input(BYTES.copy(), mode="torch"))
    np.testing.assert_allclose(
        to_numpy(keras.ops.cast(classifier(BYTES), "float32")),
        to_numpy(keras.ops.cast(expected, "float32")),
        atol=0.02,
    )


def itself_rescaling():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    outputs = networks.linear()(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, outputs, name="efficient")


def test_a_network_that_rescales_itself():
    base = itself_rescaling()

    with pytest.raises(ValueError, match="'tf' would do it twice"):
        kad.preprocessing.with_preprocessing(base, "tf")
    classifier = kad.preprocessing.with_preprocessing(
        base, (0, 255), value_range=(0, 1)
    )
    expected = to_numpy(base(BYTES))
    np.testing.assert_allclose(to_numpy(classifier(X)), expected, atol=1e-5)
    with pytest.warns(UserWarning, match="made for values from 0 to 255"):
        kad.AttentionDefendedModel(
            base,
            kad.attacks.FGSM(),
            rectification_weight=0,
            preservation_weight=0,
        )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((None,), "cannot be told from the model"),
        (("keras",), r"one of \['caffe', 'tf', 'torch'\]"),
        (((1, -1),), "`value_range` should be the lowest"),
    ],
)
def test_what_is_not_known_is_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        kad.preprocessing.with_preprocessing(network, *arguments)


def test_images_that_do_not_fit_are_refused(network):
    classifier = kad.preprocessing.with_preprocessing(network, "tf")

    with pytest.raises(ValueError, match=r"shape \(None, 8, 8, 3\). Received"):
        classifier(BYTES[:, :6])
    with pytest.raises(ValueError, match="already. Use it as it is"):
        kad.preprocessing.with_preprocessing(classifier, "tf")
    with pytest.raises(
        ValueError, match=r"takes images in value_range=\(0, 255"
    ):
        kad.AttentionDefendedModel(classifier, value_range=(0, 1))
    gray = networks.linear(shape=(8, 8, 1))
    with pytest.raises(ValueError, match="three channels"):
        kad.preprocessing.with_preprocessing(gray, "caffe")
    kad.preprocessing.with_preprocessing(gray, "tf")


@pytest.mark.backend("tensorflow", "jax")  # In PyTorch it takes a process.
def test_exported(network, tmp_path):
    tf = pytest.importorskip("tensorflow")
    classifier = kad.preprocessing.with_preprocessing(
        network, "caffe", value_range=(0, 1)
    )
    kad.export(classifier, tmp_path / "1", preprocess=True)

    loaded = tf.saved_model.load(tmp_path / "1")
    images = np.round(BYTES).astype("uint8")
    answer = loaded.signatures["serving_default"](images=tf.constant(images))
    expected = network(preprocess_input(images, mode="caffe"))
    np.testing.assert_allclose(
        answer["predictions"].numpy(), to_numpy(expected), atol=1e-5
    )
