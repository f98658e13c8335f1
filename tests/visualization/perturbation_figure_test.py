"""Tests of the figure of images before and after an attack."""

import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.visualization.helpers import assert_legible
from tests.visualization.helpers import captions
from tests.visualization.helpers import pictures
from tests.visualization.helpers import titles

pytestmark = pytest.mark.once

IMAGES, LABELS = networks.images_and_labels(3)
CHANGES = np.random.default_rng(1).uniform(-0.1, 0.1, IMAGES.shape)
CHANGES[0].flat[0] = -0.1
CHANGES[1] /= 2
CHANGES[1].flat[0] = 0.05
CHANGES[2] = 0


def test_values():
    # On (-1, 1) everything is twice as large.
    figure = kad.visualization.perturbation_figure(
        2 * IMAGES - 1,
        2 * (IMAGES + CHANGES) - 1,
        LABELS,
        predictions=LABELS,
        adversarial_predictions=[1, 1, 1],
        confidences=[0.9] * 3,
        adversarial_confidences=[0.5] * 3,
        value_range=(-1, 1),
    )
    drawn = pictures(figure)
    np.testing.assert_allclose(drawn[0::3], IMAGES, atol=1e-6)
    np.testing.assert_allclose(drawn[1::3], IMAGES + CHANGES, atol=1e-6)
    shown = 0.5 + CHANGES * np.reshape([5, 10, 0], (3, 1, 1, 1))
    np.testing.assert_allclose(drawn[2::3], shown, atol=1e-5)
    assert titles(figure) == ["image", "attacked", "change, magnified"]
    assert captions(figure) == [
        ["true: class 0", "✓ class 0", "90 %"],
        ["✗ class 1", "50 %"],
        ["at most 0.2", "shown 5-fold"],
        ["true: class 1", "✓ class 1", "90 %"],
        ["✓ class 1", "50 %"],
        ["at most 0.1", "shown 10-fold"],
        ["true: class 2", "✓ class 2", "90 %"],
        ["✗ class 1", "50 %"],
        ["unchanged"],
    ]
    assert_legible(figure)


def test_only_what_is_known_is_written():
    figure = kad.visualization.perturbation_figure(IMAGES, IMAGES, max_images=1)
    assert captions(figure) == [[], [], ["unchanged"]]


@pytest.mark.parametrize(
    "adversarial, arguments, message",
    [
        (IMAGES[:2], {}, "`x_adv`.*each of the 3 images"),
        (IMAGES[:, :4], {}, r"shape of the images, \(3, 8, 8, 3\).*4, 8, 3"),
        (IMAGES, {"predictions": [1]}, "`predictions`.*3 images"),
        (IMAGES + 1, {}, "should lie in value_range"),
    ],
)
def test_bad_input(adversarial, arguments, message):
    with pytest.raises(ValueError, match=message):
        kad.visualization.perturbation_figure(IMAGES, adversarial, **arguments)
