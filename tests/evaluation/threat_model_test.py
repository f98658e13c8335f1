"""Norms and radii of the evaluation."""

import numpy as np
import pytest

from keras_attn_defense.evaluation.threat_model import ThreatModel
from keras_attn_defense.evaluation.threat_model import check_epsilons


def test_distances():
    images = np.zeros((2, 1, 2, 2), "float32")
    moved = images.copy()
    moved[0, 0] = [[0.1, -0.2], [0.0, 0.2]]
    for norm, expected in (("linf", 0.2), ("l2", 0.3), ("l1", 0.5)):
        threat = ThreatModel(norm, (0.1,), (0.0, 1.0))
        found = threat.distances(moved, images)
        np.testing.assert_allclose(found, [expected, 0.0], rtol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_huge_epsilon_reaches_gray_from_everywhere(norm):
    threat = ThreatModel(norm, (0.1,), (-1.0, 1.0))
    corners = np.sign(np.random.default_rng(0).normal(size=(50, 4, 4, 3)))
    distances = threat.distances(np.zeros_like(corners), corners)
    np.testing.assert_allclose(distances, threat.huge_epsilon((4, 4, 3)))


def test_tolerance_is_rounding_only():
    threat = ThreatModel("linf", (0.1,), (0.0, 1.0))
    images = np.full((1, 2, 2, 1), 0.5, "float32")
    threat.check(images + np.float32(0.1), images, 0.1, "fine")
    with pytest.raises(ValueError, match="'far' left the linf ball"):
        threat.check(images + np.float32(0.1002), images, 0.1, "far")


def test_rounding_does_not_take_a_distance_over_a_radius():
    threat = ThreatModel("linf", (0.1, 0.2), (0.0, 1.0))
    distances = np.array([0.05, 0.100001, 0.1002, 0.2, 0.200001, np.inf])

    expected = [0.05, 0.1, 0.1002, 0.2, 0.2, np.inf]
    np.testing.assert_array_equal(threat.without_rounding(distances), expected)


def test_labels():
    threat = ThreatModel("linf", (0.1,), (0.0, 1.0))
    assert threat.label(8 / 255) == "8/255"
    assert threat.label(0.1) == "0.1"
    assert threat.label(0.3 / 255) == "0.00117647"
    assert threat._replace(value_range=(0.0, 255.0)).label(8.0) == "8"
    assert threat._replace(norm="l2").label(8 / 255) == "0.0313725"


def test_epsilons():
    assert check_epsilons(None, "linf", (0, 255)) == (8.0,)
    assert check_epsilons(None, "l2", (-1, 1)) == (1.0,)
    assert check_epsilons(None, "l1", (0, 1)) == (12.0,)
    assert check_epsilons([0.2, 0.1, 0.2], "linf", (0, 1)) == (0.1, 0.2)
    assert check_epsilons(np.float32(0.5), "l2", (0, 1)) == (0.5,)
