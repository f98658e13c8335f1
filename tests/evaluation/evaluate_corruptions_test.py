"""Accuracy under corruptions, on a classifier that measures brightness."""

import json

import keras
import numpy as np
import pytest
from scipy import stats

import keras_attn_defense as kad
from keras_attn_defense.evaluation import CorruptionResult
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import MEANS
from tests.evaluation.helpers import brightness

pytestmark = pytest.mark.once

SETTINGS = {"model": "m", "images": "10 images", "confidence": 0.95}


def darker(images, severity, generator):
    return images - 0.03 * severity


def evaluate(model=None, x=IMAGES, y=LABELS, **arguments):
    arguments = {"corruptions": {"darker": darker}, "verbose": 0, **arguments}
    return kad.evaluation.evaluate_corruptions(
        model or brightness(), x, y, **arguments
    )


@pytest.mark.everywhere
def test_accuracy_is_that_of_the_shifted_mean():
    result = evaluate(severities=[1, 3, 5])
    bright = LABELS == 1
    expected = [
        np.where(bright, 0.03 * severity < DISTANCES, True).mean()
        for severity in (1, 3, 5)
    ]
    assert result.clean_accuracy == 1.0
    assert result.accuracy == {"darker": pytest.approx(expected)}
    assert result.mean_corruption_error() == pytest.approx(
        1 - np.mean(expected)
    )
    exact = stats.binomtest(round(24 * expected[1]), 24).proportion_ci()
    assert result.interval["darker"][1] == pytest.approx(
        (exact.low, exact.high)
    )


@pytest.mark.everywhere
def test_images_of_another_range_and_in_blocks():
    found = evaluate(batch_size=2).accuracy
    scaled = keras.Sequential(
        [
            keras.Input(IMAGES.shape[1:]),
            keras.layers.Rescaling(1 / 255),
            brightness(),
        ]
    )
    other = evaluate(scaled, 255 * IMAGES, value_range=(0, 255))
    assert other.accuracy == found
    pairs = [(IMAGES[:5], LABELS[:5]), (IMAGES[5:], LABELS[5:])]
    assert evaluate(x=pairs, y=None).accuracy == found


@pytest.mark.everywhere
def test_all_fifteen_at_five_severities():
    result = evaluate(corruptions=None)
    assert len(result.accuracy) == 15
    assert {len(shares) for shares in result.accuracy.values()} == {5}
    # Bright images stay so; one that is darker by less than 0.05 to 0.3 not.
    for shares, more in zip(
        result.accuracy["brightness"], (0.05, 0.1, 0.15, 0.2, 0.3), strict=True
    ):
        # The value is the largest channel, a little above the mean.
        raised = MEANS + more
        low = ((LABELS == 1) | (raised < 0.47)).mean()
        high = ((LABELS == 1) | (raised < 0.53)).mean()
        assert low <= shares <= high
    # Neither contrast nor averages move a mean.
    assert result.accuracy["contrast"] == [1.0] * 5


def test_the_seed_decides_what_is_drawn():
    seen = []

    def noise(images, severity, generator):
        seen.append(images + generator.normal(size=images.shape))
        return seen[-1]

    for seed in (0, 0, 1):
        evaluate(corruptions={"noise": noise}, severities=[2], seed=seed)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).all()


def test_channels_first():
    def last(images, severity, generator):
        assert images.shape[1:] == (4, 4, 3)
        return images

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:

        def model(images):
            mean = keras.ops.mean(images, axis=(1, 2, 3))
            return keras.ops.stack([0.5 - mean, mean - 0.5], axis=-1)

        x = np.moveaxis(IMAGES, -1, 1)
        found = evaluate(model, x, corruptions={"last": last})
    finally:
        keras.config.set_image_data_format(before)
    assert found.accuracy == {"last": [1.0] * 5}


def result_of(clean, **correct):
    return CorruptionResult(10, clean, [1, 2], correct, SETTINGS)


def test_mean_corruption_error_by_hand():
    ours = result_of(9, fog=[8, 6], snow=[7, 5])
    theirs = result_of(8, fog=[6, 2], snow=[5, 3])
    assert ours.mean_corruption_error() == pytest.approx((0.3 + 0.4) / 2)
    # Errors 2 + 4 of 4 + 8, and 3 + 5 of 5 + 7.
    assert ours.mean_corruption_error(theirs) == pytest.approx(
        (6 / 12 + 8 / 12) / 2
    )
    # Less those on clean images: 6 - 2 of 12 - 4, and 8 - 2 of 12 - 4.
    assert ours.mean_corruption_error(theirs, relative=True) == pytest.approx(
        (4 / 8 + 6 / 8) / 2
    )
    assert ours.mean_corruption_error(ours) == 1.0


@pytest.mark.parametrize(
    "baseline, message",
    [
        (result_of(9, fog=[1, 2]), "other corruptions"),
        (result_of(9, fog=[10, 10], snow=[7, 5]), r"no more errors.*'fog'"),
    ],
)
def test_baselines_that_do_not_fit(baseline, message):
    ours = result_of(9, fog=[8, 6], snow=[7, 5])
    with pytest.raises(ValueError, match=message):
        ours.mean_corruption_error(baseline)


def test_summary_and_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # as wide as `str` is
    result = evaluate(name="mine", dataset="brightness")
    result.summary()
    assert str(result) in capsys.readouterr().out
    assert "mine: 24 images" in str(result) and "severity 5" in str(result)
    path = tmp_path / "corruptions.json"
    result.save(path)
    saved = json.loads(path.read_text())
    assert saved == result.to_dict()
    assert saved["accuracy"] == result.accuracy
    loaded = kad.evaluation.load_corruptions(path)
    assert loaded.to_dict() == saved
    assert result.mean_corruption_error(loaded) == 1.0

    path.write_text(json.dumps({**saved, "correct": {"darker": ["x"]}}))
    with pytest.raises(ValueError, match="lacks some of its settings"):
        kad.evaluation.load_corruptions(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="holds no corruptions"):
        kad.evaluation.load_corruptions(path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"corruptions": ["rain"]}, "one of .*'gaussian_noise'.*'rain'"),
        ({"corruptions": []}, "`corruptions` is empty"),
        ({"corruptions": {"cut": lambda x, s, g: x[:, 1:]}}, "'cut' should"),
        ({"severities": [0]}, "`severities` should be"),
        ({"severities": [1, 6]}, "`severities` should be"),
        ({"severities": 3}, "`severities` should be"),
        ({"seed": -1}, "`seed` should be"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


def test_joins_a_report(tmp_path):
    report = kad.evaluate_robustness(
        brightness(),
        IMAGES,
        LABELS,
        attacks="fgsm",
        checks=False,
        verbose=0,
        name="mine",
    )
    assert report.to_dict()["corruptions"] is None
    result = evaluate(name="mine", severities=[2, 4])
    report.corruptions = result
    assert str(result) in str(report)
    path = tmp_path / "card.json"
    report.save(path)
    card = kad.evaluation.load_card(path)
    assert card["corruptions"] == result.to_dict()
    path.write_text(
        json.dumps({**card, "corruptions": {**card["corruptions"], "clean": 3}})
    )
    with pytest.raises(ValueError, match="contradict"):
        kad.evaluation.load_card(path)

    with pytest.raises(ValueError, match="on 'other', the attacks on 'mine'"):
        report.corruptions = evaluate(name="other")
    with pytest.raises(ValueError, match="Received: dict"):
        report.corruptions = result.to_dict()
    assert report.corruptions is result
    report.corruptions = None
    assert report.to_dict()["corruptions"] is None
