"""Strong-sample selection, on areas that the test makes up."""

import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended


def test_each_image_steps_until_its_attention_has_moved():
    # The area of an image is its first rows, one less with each step.
    images = np.full((3, 8, 8, 1), 0.0, "float32")
    start = images + np.array([0.0, 3.0, 6.0], "float32")[:, None, None, None]

    def area_of(x):
        moved = ops.cast(x[:, 0, 0, 0], "int32")[:, None, None]
        rows = ops.reshape(ops.arange(8), (1, 8, 1))
        return ops.cast((rows >= moved) & (rows < 8), "float32") * ops.ones(
            (3, 8, 8)
        )

    selection = kad.models.StrongSampleSelection(threshold=0.5, max_steps=4)
    result = selection(
        ops.convert_to_tensor(images),
        ops.convert_to_tensor(start),
        area_of,
        lambda x: x + 1.0,
    )
    # The first stops at 4 of 8 rows, the second needs one step, the last none.
    moved = ops.convert_to_numpy(result)[:, 0, 0, 0]
    np.testing.assert_array_equal(moved, [4.0, 4.0, 6.0])


def test_selected_samples_are_at_least_as_far_and_stay_in_the_ball():
    x, y = data(8)
    attack = kad.attacks.BIM(16 / 255, 2 / 255, steps=1)
    base = networks.functional()
    plain = defended(base, attack=attack)
    strong = defended(
        base,
        attack=attack,
        sample_selection=kad.models.StrongSampleSelection(
            threshold=0.0, max_steps=3
        ),
    )
    first = ops.convert_to_numpy(plain.craft(x, y))
    last = ops.convert_to_numpy(strong.craft(x, y))
    assert np.abs(first - x).max() <= 2.01 / 255
    assert np.abs(last - x).max() > 7 / 255
    assert np.abs(last - x).max() <= 8.01 / 255


@pytest.mark.parametrize("arguments", [(1.5, 4), (0.6, 0), (0.6, 2.5)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="should be|is an"):
        kad.models.StrongSampleSelection(*arguments)
