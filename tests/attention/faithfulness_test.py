"""Tests of deletion, insertion and average drop, image by image in NumPy."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

from keras_attn_defense.attention import HiResCAM
from keras_attn_defense.attention import average_drop
from keras_attn_defense.attention import deletion_curve
from keras_attn_defense.attention import insertion_curve
from tests import networks
from tests.attention.helpers import bilinear
from tests.attention.helpers import normalized
from tests.testing import to_numpy

X, Y = networks.images_and_labels()
MAPS = np.random.default_rng(4).uniform(size=(4, 8, 8)).astype("float32")


@pytest.fixture(scope="module")
def model():
    return networks.linear()


def probabilities(model, images):
    logits = to_numpy(model(images.astype("float32"))).astype("float64")
    return softmax(logits, axis=-1)[np.arange(len(images)), Y]


def replaced(start, end, count):
    """Replaces the `count` pixels of highest attention by those of `end`."""
    images = start.copy()
    for index, each in enumerate(MAPS):
        for place in np.argsort(-each.ravel())[:count]:
            row, column = divmod(place, 8)
            images[index, row, column] = end[index, row, column]
    return images


def test_deletion(model):
    mean = np.broadcast_to(X.mean((1, 2), keepdims=True), X.shape)
    expected = [
        probabilities(model, replaced(X, mean, count))
        for count in (0, 16, 32, 48, 64)
    ]

    curve = deletion_curve(model, X, MAPS, Y, steps=4, batch_size=3)

    np.testing.assert_allclose(curve.shares, [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(
        curve.probabilities, np.stack(expected, -1), rtol=1e-4
    )
    ends = (expected[0] + expected[-1]) / 2
    areas = (ends + sum(expected[1:-1])) / 4
    np.testing.assert_allclose(curve.areas, areas, rtol=1e-4)


def test_insertion(model):
    blurred = np.stack([gaussian_filter(image, (0.8, 0.8, 0.0)) for image in X])
    expected = [
        probabilities(model, replaced(blurred, X, count)) for count in (0, 32)
    ]

    curve = insertion_curve(model, X, MAPS, Y, steps=2)

    expected.append(probabilities(model, X))
    np.testing.assert_allclose(
        curve.probabilities, np.stack(expected, -1), rtol=1e-4
    )


def test_order_of_contributions_beats_its_reverse(model):
    # In a linear model it is known which pixels count.
    kernel = to_numpy(model.get_layer("head").kernel.value)
    added = (X * kernel[:, Y].T.reshape(X.shape)).sum(-1)

    for curve, sign in ((deletion_curve, -1), (insertion_curve, 1)):
        areas, reverse = (
            curve(model, X, maps, Y, steps=8, fill=0.0).areas
            for maps in (added, -added)
        )
        assert (sign * (areas - reverse) > 0.05).all()


def test_average_drop(model):
    small = MAPS[:, ::2, ::2]
    shown = normalized(bilinear(small, 8, 8), "max")[..., None]
    before = probabilities(model, X)
    after = probabilities(model, 0.5 + shown * (X - 0.5))
    drops = np.maximum(before - after, 0) / before

    actual = average_drop(model, X, small, Y, fill=0.5)

    np.testing.assert_allclose(actual.drops, drops, rtol=1e-3, atol=1e-5)
    assert actual.average_drop == pytest.approx(drops.mean(), rel=1e-3)
    assert actual.increase_in_confidence == (after > before).mean()
    assert 0 < actual.increase_in_confidence < 1


def test_predicted_class_and_constant_maps(model):
    predicted = to_numpy(model(X)).argmax(-1)
    flat = np.zeros((4, 8, 8), "float32")

    curves = [
        deletion_curve(model, X, flat, labels, steps=2).probabilities
        for labels in (None, predicted, "predicted")
    ]

    np.testing.assert_array_equal(curves[0], curves[1])
    np.testing.assert_array_equal(curves[0], curves[2])
    actual = average_drop(model, X, flat)
    assert np.isfinite(actual.drops).all()


def test_one_image_of_a_batch(model):
    maps = HiResCAM(model=networks.sequential())(X, Y)
    together = deletion_curve(model, X, maps, Y, steps=2)
    alone = deletion_curve(model, X[1:2], maps[1:2], Y[1:2], steps=2)

    np.testing.assert_allclose(alone.areas, together.areas[1:2], rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"maps": MAPS[:2]}, r"one map.*\(2, 8, 8\)"),
        ({"maps": MAPS[..., None]}, "one map"),
        ({"y": Y + 1}, "0 to 3"),
        ({"y": "best"}, "`y` should be class indices"),
        ({"fill": "gray"}, "`fill` should be a number"),
        ({"steps": 0}, "`steps` should be a whole number"),
    ],
)
def test_bad_input(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        deletion_curve(model, **{"x": X, "maps": MAPS, **arguments})
