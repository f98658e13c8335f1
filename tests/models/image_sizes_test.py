"""Images of sizes that are known only when they arrive."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.models.helpers import last


def any_size():
    """A classifier of images of any size."""
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, activation="tanh"),
            keras.layers.Conv2D(5, 3, activation="tanh", name="last"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, name="head"),
        ]
    )
    return networks.set_weights(model, 2)


def of_unknown_size(x, y):
    """A `tf.data` set that tells nobody the height and width of its images."""
    tf = pytest.importorskip("tensorflow")
    signature = (
        tf.TensorSpec((None, None, None, 3)),
        tf.TensorSpec((None,), tf.int32),
    )
    return tf.data.Dataset.from_generator(
        lambda: ((x[i : i + 4], y[i : i + 4]) for i in range(0, len(x), 4)),
        output_signature=signature,
    )


def everything():
    """Arguments that touch as much code as possible."""
    return {
        "attack": kad.attacks.PGD(16 / 255, norm="l2", steps=2, seed=0),
        "validation_attack": kad.attacks.FGSM(),
        "sample_selection": kad.models.StrongSampleSelection(0.2, max_steps=1),
        "attention": kad.attention.GradCAM(),
        "mask": kad.attention.AttentionMask("area"),
        "adversarial_rounds": 2,
    }


def compiled(*args, **kwargs):
    """A defended model whose steps are plain gradients."""
    model = defended(*args, **kwargs)
    model.compile(keras.optimizers.SGD(0.01))
    return model


def run(model, x, y=None, batch_size=None):
    """The logs of `fit` and `evaluate`, and the weights."""
    logs = model.fit(x, y, batch_size, shuffle=False, verbose=0)
    evaluated = model.evaluate(x, y, batch_size, verbose=0, return_dict=True)
    return {**last(logs), **evaluated}, flat_weights(model.base)


def check_without_static_sizes(make, arguments):
    x, y = data(8)
    expected, weights = run(compiled(make(), **arguments()), x, y, 4)
    model = compiled(make(), **arguments())
    logs, its_weights = run(model, of_unknown_size(x, y))
    assert logs == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(its_weights, weights, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_data_set_without_static_sizes_trains_as_arrays_do():
    check_without_static_sizes(networks.sequential, dict)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.backend("tensorflow")
def test_a_model_and_a_data_set_without_static_sizes():
    # Elsewhere a step knows the size of its images.
    check_without_static_sizes(any_size, everything)


def test_images_of_another_size_in_a_second_fit():
    x, y = data(4)
    larger, labels = networks.images_and_labels(4, (12, 10, 3), seed=1)
    model = compiled(any_size())
    run(model, x, y)
    fresh = compiled(any_size())
    fresh.base.set_weights(model.base.get_weights())
    logs, weights = run(model, larger, labels)
    expected, its_weights = run(fresh, larger, labels)
    assert logs == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(weights, its_weights, rtol=1e-4, atol=1e-6)
    for images in (x, larger):
        assert model.craft(images, y).shape == images.shape
        assert model.attention_map(images, y).shape == images.shape[:3]
