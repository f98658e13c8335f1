"""Tests of the layer between images and pretrained weights."""

import keras
import numpy as np
import pytest

from keras_attn_defense.preprocessing import InputPreprocessing
from tests.testing import run_config_test
from tests.testing import to_numpy

IMAGES = np.arange(24, dtype="float32").reshape(1, 2, 4, 3)
SCALE, OFFSET = [0.5, 1.0, 2.0], [-1.0, 0.0, 3.0]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_values_of_each_channel(data_format):
    layer = InputPreprocessing(SCALE, OFFSET, reverse_channels=True)
    expected = IMAGES[..., ::-1] * SCALE + OFFSET
    moved = data_format == "channels_first"
    images = IMAGES.transpose(0, 3, 1, 2) if moved else IMAGES
    with pytest.MonkeyPatch.context() as patch:
        before = keras.config.image_data_format()
        patch.setattr(keras.config, "image_data_format", lambda: data_format)
        outputs = to_numpy(layer(images))
    assert keras.config.image_data_format() == before

    outputs = outputs.transpose(0, 2, 3, 1) if moved else outputs
    np.testing.assert_array_equal(outputs, expected)


def test_bytes_and_half_precision_become_float32():
    layer = InputPreprocessing(1 / 255)

    for dtype in ("uint8", "float16", "float32"):
        outputs = layer(keras.ops.convert_to_tensor(IMAGES.astype(dtype)))
        assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
        np.testing.assert_allclose(to_numpy(outputs), IMAGES / 255, rtol=1e-6)


def test_config():
    loaded = run_config_test(InputPreprocessing(np.array(SCALE), 1, True))

    assert (loaded.scale, loaded.offset) == (SCALE, 1.0)


def test_loads_what_was_saved_when_its_file_had_another_place():
    saved = keras.saving.serialize_keras_object(InputPreprocessing(2.0))
    saved["module"] = "keras_attn_defense.models.input_preprocessing"

    loaded = keras.saving.deserialize_keras_object(saved)
    assert type(loaded) is InputPreprocessing and loaded.scale == 2.0


@pytest.mark.parametrize("value", ["tf", [[1.0]], np.nan, None])
def test_bad_numbers(value):
    with pytest.raises(ValueError, match="`scale` should be a finite number"):
        InputPreprocessing(value)
