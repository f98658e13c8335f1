"""A classifier of keras-cv; skipped where it is not installed (extra `cv`).

Built from an explicit configuration: keras-cv's named ones are downloaded.
"""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests.models.helpers import last
from tests.testing import to_numpy

# With `exc_type`: it raises other errors where TensorFlow is missing.
keras_cv = pytest.importorskip("keras_cv", exc_type=ImportError)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SIDE = 32
X = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3))
X = X.astype("float32")
Y = np.array([0, 3])


def classifier(include_rescaling):
    keras.utils.set_random_seed(0)
    backbone = keras_cv.models.ResNetBackbone(
        stackwise_filters=[8, 8],
        stackwise_blocks=[2, 2],
        stackwise_strides=[1, 2],
        include_rescaling=include_rescaling,
        input_shape=(SIDE, SIDE, 3),
    )
    return keras_cv.models.ImageClassifier(backbone=backbone, num_classes=4)


def test_defended_saved_and_loaded(tmp_path):
    base = classifier(include_rescaling=True)
    model = kad.AttentionDefendedModel(
        base, kad.attacks.FGSM(), validation_attack=None, value_range=(0, 255)
    )
    logs = last(model.fit(X, Y, verbose=0))
    assert logs["preservation_loss"] >= 0
    assert model.classifier.feature_layer().name == base.backbone.name
    maps = to_numpy(model.attention_map(X, Y))
    assert maps.shape == (2, SIDE, SIDE) and maps[0].std() > 0

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        to_numpy(loaded(X)), to_numpy(model(X)), atol=1e-6
    )


def test_its_rescaling_is_noticed():
    base = classifier(include_rescaling=True)

    with pytest.raises(ValueError, match="would do it twice"):
        kad.preprocessing.with_preprocessing(base, "torch")
    found = kad.preprocessing.with_preprocessing(
        base, (0, 255), value_range=(0, 1)
    )
    expected = to_numpy(base(X))
    np.testing.assert_allclose(to_numpy(found(X / 255)), expected, atol=1e-5)


def test_weights_for_another_range():
    base = classifier(include_rescaling=False)

    found = kad.preprocessing.with_preprocessing(base, (0, 1))
    expected = to_numpy(base(X / 255))
    np.testing.assert_allclose(to_numpy(found(X)), expected, atol=1e-5)
