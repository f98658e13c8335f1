"""The generator that is trained on each image alone."""

import numpy as np
import pytest
from keras import ops

from keras_attn_defense import defenses
from keras_attn_defense.defenses.online_generator import _convolved
from tests import networks
from tests.defenses.helpers import worth
from tests.evaluation import fake_defenses
from tests.testing import run_config_test
from tests.testing import to_numpy

X, _ = networks.images_and_labels(3, shape=(7, 10, 3))


def test_convolutions_of_each_image():
    generator = np.random.default_rng(0)
    kernels = generator.normal(size=(3, 27, 4)).astype("float32")
    found = to_numpy(_convolved(ops.convert_to_tensor(X), kernels))
    for number in range(3):
        kernel = kernels[number].reshape(3, 3, 3, 4)
        expected = ops.conv(X[number][None], kernel, padding="same")
        np.testing.assert_allclose(
            found[number], to_numpy(expected)[0], atol=1e-4
        )


def test_draws_images_ever_better():
    layer = defenses.OnlineGenerator(4, steps=40, seed=1)
    run_config_test(layer)
    few = defenses.OnlineGenerator(4, steps=2, seed=1)
    drawn, early = to_numpy(layer(X)), to_numpy(few(X))
    assert drawn.shape == X.shape and 0 <= drawn.min() <= drawn.max() <= 1
    errors = [((each - X) ** 2).mean() for each in (early, drawn)]
    assert errors[1] < 0.6 * errors[0]
    np.testing.assert_array_equal(to_numpy(layer(X, training=True)), X)
    assert abs(to_numpy(layer(X)) - drawn).max() > 1e-3
    # An image does not look at those beside it.
    alone = to_numpy(defenses.OnlineGenerator(4, steps=40, seed=1)(0 * X))
    mixed = X.copy()
    mixed[1:] = 0
    again = to_numpy(defenses.OnlineGenerator(4, steps=40, seed=1)(mixed))
    np.testing.assert_allclose(again[0], drawn[0], atol=1e-4)
    np.testing.assert_allclose(again[1:], alone[1:], atol=1e-4)


@pytest.mark.once
def test_helps_less_against_those_who_know_it(network, known):
    images, labels, found = (each[:16] for each in known)
    layer = defenses.OnlineGenerator(steps=40, draws=1, seed=1)
    clean, ignored, adaptive = worth(
        layer, network, images, labels, found, steps=4, restarts=1
    )
    undefended = fake_defenses.right(network, found, labels, 1).mean()
    assert ignored > undefended + 0.1
    assert adaptive < ignored
