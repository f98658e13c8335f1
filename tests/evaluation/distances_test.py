"""Smallest distances in a report, and accuracy at any radius."""

import json

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import DeepFool
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import evaluate


@pytest.fixture(scope="module")
def report():
    labels = LABELS.copy()
    labels[:3] = 1 - labels[:3]  # Wrong from the start.
    attacks = [DeepFool(norm="linf"), FGSM()]
    return evaluate(y=labels, attacks=attacks, epsilons=[0.03, 0.1])


def test_median_of_what_minimizes_a_norm(report):
    nearest = np.where(np.arange(len(DISTANCES)) < 3, 0.0, DISTANCES)

    # Of FGSM nothing is known but success at two radii.
    assert list(report.distances) == ["deepfool"]
    np.testing.assert_allclose(
        report.distances["deepfool"], np.median(nearest), rtol=0.03
    )


@pytest.mark.once
def test_accuracy_at_any_radius(report):
    standing = np.arange(len(DISTANCES)) >= 3
    for radius in (0.0, 0.04, 0.07, 0.12, 0.17, 0.3):
        expected = (standing & (DISTANCES > radius)).mean()
        np.testing.assert_allclose(report.accuracy_at(radius), expected)
        at = report.accuracy_at(radius, "deepfool")
        np.testing.assert_allclose(at, expected)
    for epsilon, accuracy in report.robust_accuracy.items():
        assert report.accuracy_at(epsilon) == accuracy
    # FGSM has only been asked up to the largest epsilon.
    expected = (standing & (DISTANCES > 0.1)).mean()
    np.testing.assert_allclose(report.accuracy_at(0.3, "fgsm"), expected)
    median = report.distances["deepfool"]
    assert report.accuracy_at(0.99 * median) >= 0.5
    assert report.accuracy_at(1.01 * median) <= 0.5


@pytest.mark.once
def test_in_card_text_and_page(report, tmp_path):
    median = report.distances["deepfool"]

    assert report.to_dict()["median_distances"] == {"deepfool": median}
    sentence = f"Half of the images fell by {median:.3g}."
    assert f"median distance: deepfool. {sentence}" in str(report)
    pytest.importorskip("jinja2")
    report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert f"deepfool: {sentence}" in page


@pytest.mark.once
def test_half_or_more_never_fell():
    def nothing(model, x, y):
        return x

    report = evaluate(attacks={"nothing": kad.adapters.from_function(nothing)})

    assert report.distances == {"nothing": np.inf}
    card = report.to_dict()
    assert card["median_distances"] == {"nothing": None}
    json.dumps(card, allow_nan=False)
    assert "Half of the images or more never fell." in str(report)


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:AutoAttack meets a model of 2 classes")
def test_part_of_autoattack_that_only_asks_for_success():
    whole = kad.attacks.AutoAttack(version=[FGSM(), DeepFool(norm="linf")])

    report = evaluate(attacks=whole)

    assert report.distances == {}
    assert "median distance" not in str(report)


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((-0.1,), "`radius` should be a number"),
        ((0.1, "pgd"), r"None or one of \['deepfool', 'fgsm'\]"),
    ],
)
def test_bad_arguments(report, arguments, message):
    with pytest.raises(ValueError, match=message):
        report.accuracy_at(*arguments)
