"""Classifiers of keras-hub, with and without their preprocessor."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests.models.helpers import last
from tests.testing import to_numpy

keras_hub = pytest.importorskip("keras_hub")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    # keras-hub's and its imports' own; maps of 2x2 positions.
    pytest.mark.filterwarnings("ignore"),
]
SIDE = 16
X = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3))
X = X.astype("float32")
Y = np.array([0, 3])
CONVERTER = {
    "image_size": (SIDE, SIDE),
    "scale": [1 / 58, 1 / 57, 1 / 56],
    "offset": [-2.1, -2.0, -1.8],
}


@pytest.fixture(scope="module")
def network():
    """A classifier whose weights have no say in what is tested."""
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    return keras_hub.models.ResNetImageClassifier(
        backbone=backbone, num_classes=4, activation="softmax"
    )


@pytest.fixture
def task(network):
    """The same with a preprocessor as the published weights have it."""
    network.preprocessor = preprocessor(**CONVERTER)
    yield network
    network.preprocessor = None


def preprocessor(converter=None, **arguments):
    converter = converter or keras_hub.layers.ResNetImageConverter
    return keras_hub.models.ResNetImageClassifierPreprocessor(
        converter(**arguments)
    )


@pytest.mark.everywhere
def test_without_a_preprocessor(network):
    model = kad.AttentionDefendedModel(
        network,
        kad.attacks.FGSM(),
        kad.attention.GradCAM(normalization="softmax"),
        validation_attack=None,
    )
    logs = last(model.fit(X / 255, Y, verbose=0))

    assert logs["classification_loss"] > 0
    assert isinstance(model.optimizer, type(network.optimizer))
    maps = to_numpy(model.attention_map(X / 255, Y))
    assert maps.shape == (2, SIDE, SIDE) and maps[0].std() > 0
    with pytest.raises(ValueError, match="cannot be told from the model"):
        kad.preprocessing.with_preprocessing(network)


def test_a_preprocessor_is_not_passed_over(task):
    for use in (
        kad.AttentionDefendedModel,
        lambda model: kad.attacks.FGSM()(model, X, Y),
        lambda model: kad.evaluate_robustness(model, X, Y),
    ):
        with pytest.raises(
            ValueError, match="`kad.preprocessing.with_preprocessing"
        ):
            use(task)


def test_what_the_task_predicts(task, tmp_path):
    expected = task.predict(X, verbose=0)

    for lower, upper in ((0, 255), (0, 1), (-1, 1)):
        classifier = kad.preprocessing.with_preprocessing(
            task, value_range=(lower, upper)
        )
        images = lower + (upper - lower) * X / 255
        predictions = to_numpy(classifier(images))
        np.testing.assert_allclose(predictions, expected, atol=1e-5)
    assert abs(to_numpy(task(X)) - expected).max() > 1e-3
    assert classifier.input_shape == (None, SIDE, SIDE, 3)

    model = kad.AttentionDefendedModel(
        classifier, kad.attacks.FGSM(), validation_attack=None
    )
    model.fit(images, Y, verbose=0)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert np.isclose(to_numpy(model.optimizer.learning_rate), 5e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.value_range == (-1.0, 1.0)
    np.testing.assert_allclose(
        to_numpy(loaded(images)), to_numpy(model(images)), atol=1e-6
    )


def test_images_of_another_size(task):
    classifier = kad.preprocessing.with_preprocessing(task)

    with pytest.raises(ValueError, match="image_converter.image_size"):
        classifier(X[:, :8])
    task.preprocessor.image_converter.image_size = None
    classifier = kad.preprocessing.with_preprocessing(task)
    assert classifier.input_shape == (None, None, None, 3)
    assert classifier(X[:, :8]).shape == (2, 4)


def test_a_plain_layer_as_preprocessor(task):
    task.preprocessor = keras.layers.Rescaling(1 / 127.5, -1.0)

    classifier = kad.preprocessing.with_preprocessing(task, value_range=(0, 1))
    expected = task.predict(X, verbose=0)
    predictions = to_numpy(classifier(X / 255))
    np.testing.assert_allclose(predictions, expected, atol=1e-5)


def test_a_preprocessor_that_does_more(task):
    class Squares(keras_hub.layers.ResNetImageConverter):
        def call(self, inputs):
            return super().call(inputs) ** 2

    task.preprocessor = preprocessor(Squares, scale=1 / 255)
    with pytest.raises(ValueError, match="does more to the values"):
        kad.preprocessing.with_preprocessing(task)
