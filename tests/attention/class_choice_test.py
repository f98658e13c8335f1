"""Tests of the class that a map explains."""

import numpy as np
import pytest

from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import Occlusion
from tests import networks
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


@pytest.fixture(scope="module")
def model():
    return networks.sequential("softmax")


@pytest.mark.parametrize("method", [GradCAM, Occlusion])
@pytest.mark.parametrize(
    "choice, rank",
    [(None, -1), ("predicted", -1), ("runner_up", -2), ("least_likely", 0)],
)
def test_choices(model, method, choice, rank):
    arguments = {"patch": 4, "stride": 4} if method is Occlusion else {}
    layer = method(normalization="softmax", model=model, **arguments)
    classes = np.argsort(to_numpy(model(X)), axis=-1)[:, rank]

    actual = to_numpy(layer(X, choice))

    np.testing.assert_allclose(actual, to_numpy(layer(X, classes)), rtol=1e-6)
    other = to_numpy(layer(X, (classes + 1) % 4))
    assert abs(actual - other).max() > 1e-5


def test_labels_in_a_list(model):
    layer = GradCAM(model=model)

    np.testing.assert_array_equal(
        to_numpy(layer(X, Y.tolist())), to_numpy(layer(X, Y))
    )


@pytest.mark.parametrize("method", [GradCAM, Occlusion])
@pytest.mark.parametrize(
    "labels, message",
    [
        ("second", r"`y` should be.*'runner_up'.*y='second'"),
        (Y + 1, "0 to 3"),
        (-Y, "0 to 3"),
        (Y[:1], "4 images and 1 labels"),
    ],
)
def test_bad_labels(model, method, labels, message):
    with pytest.raises(ValueError, match=message):
        method(model=model)(X, labels)
