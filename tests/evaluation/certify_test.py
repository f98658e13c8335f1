"""Certified radii against the closed form of a linear classifier."""

import json

import keras
import numpy as np
import pytest
from scipy import stats

import keras_attn_defense as kad
from keras_attn_defense.evaluation import Certificate
from keras_attn_defense.evaluation.certificate import certified_radius
from keras_attn_defense.evaluation.certificate import lower_bound
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import images_of
from tests.visualization.helpers import assert_legible

pytestmark = pytest.mark.once

# The l2 distance to the boundary: all 48 values move alike.
MARGINS = DISTANCES * np.sqrt(48)
QUIET = {"sigma": 0.4, "n0": 20, "n": 400, "batch_size": 150, "verbose": 0}


def certify(model=None, x=IMAGES, y=LABELS, **arguments):
    arguments = {**QUIET, **arguments}
    return kad.evaluation.certify(model or brightness(), x, y, **arguments)


@pytest.fixture(scope="module")
def result():
    return certify()


@pytest.mark.everywhere
def test_votes_are_those_of_a_linear_classifier(result):
    """Noise along the normal decides: the share is `Phi(margin / sigma)`."""
    samples = result.per_sample
    probability = stats.norm.cdf(MARGINS / 0.4)
    spread = np.sqrt(400 * probability * (1 - probability))
    scores = (samples["votes"] - 400 * probability) / spread
    assert abs(scores).max() < 4.5
    assert 0.5 < np.std(scores) < 1.6

    # The smoothed classifier is the linear one, whose margin is the truth.
    assert (np.nan_to_num(samples["radius"]) <= MARGINS).all()
    certified = samples["prediction"] >= 0
    assert (samples["prediction"] == LABELS)[certified].all()
    expected = certified_radius(lower_bound(probability * 400, 400, 0.001), 0.4)
    clear = MARGINS > 0.3
    assert certified[clear].all()
    np.testing.assert_allclose(
        samples["radius"][clear], expected[clear], atol=0.25
    )


@pytest.mark.everywhere
def test_the_seed_decides(result):
    same, other = certify(), certify(seed=1)
    assert same.to_dict() == result.to_dict()
    assert (other.per_sample["votes"] != result.per_sample["votes"]).any()


@pytest.mark.everywhere
@pytest.mark.parametrize("n, batch_size", [(7, 7), (10, 4), (3, 8)])
def test_every_copy_counts_once(n, batch_size):
    certain = brightness(middle=-100.0)
    found = certify(certain, n=n, batch_size=batch_size, limit=4)
    assert (found.per_sample["votes"] == n).all()
    assert found.per_sample["p_lower"] == pytest.approx(0.001 ** (1 / n))


@pytest.mark.everywhere
def test_a_layer_of_noise_adds_none_after_training(result):
    noisy = keras.Sequential(
        [
            keras.Input(IMAGES.shape[1:]),
            keras.layers.GaussianNoise(0.4),
            brightness(),
        ]
    )
    found = certify(noisy).per_sample
    assert (found["votes"] == result.per_sample["votes"]).all()


def test_answers_of_nan_are_no_votes():
    def nan_for_dark(images):
        mean = keras.ops.mean(images, axis=(1, 2, 3))
        logits = keras.ops.stack([0 * mean, mean], axis=-1)
        return keras.ops.where(mean[:, None] < 0.5, np.nan, logits)

    found = certify(nan_for_dark, images_of([0.5, 0.5, 0.9]), [1, 1, 1])
    votes = found.per_sample["votes"]
    assert (abs(votes[:2] - 200) < 60).all() and votes[2] == 400
    assert found.per_sample["prediction"].tolist() == [-1, -1, 1]


@pytest.mark.parametrize("votes", [0, 1, 60, 99, 100])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_formulas_of_the_reference(votes, alpha):
    """`proportion_confint(votes, n, 2 * alpha, method="beta")[0]` there."""
    interval = stats.binomtest(votes, 100).proportion_ci(1 - 2 * alpha)
    share = lower_bound(votes, 100, alpha)
    assert share == pytest.approx(interval.low, rel=1e-6)
    expected = 0.5 * stats.norm.ppf(share) if share >= 0.5 else np.nan
    radius = certified_radius(share, 0.5)
    assert radius == pytest.approx(expected, nan_ok=True)


def test_largest_radius_of_the_paper():
    # 100,000 samples, alpha 0.001: about 3.8 times sigma.
    share = lower_bound(100_000, 100_000, 0.001)
    assert share == pytest.approx(0.001 ** (1 / 100_000))
    assert certified_radius(share, 1.0) == pytest.approx(3.8115, abs=1e-3)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
@pytest.mark.parametrize("share", [0.55, 0.9, 0.98])
def test_the_bound_covers(alpha, share):
    """By an exact binomial sum over all numbers of votes."""
    votes = np.arange(1001)
    chance = stats.binom.pmf(votes, 1000, share)
    too_high = chance[lower_bound(votes, 1000, alpha) > share].sum()
    assert too_high <= alpha
    # And no lower than that takes: one vote more would break it.
    one_more = lower_bound(np.minimum(votes + 1, 1000), 1000, alpha)
    assert chance[one_more > share].sum() > alpha


def test_radii_above_the_margin_are_as_rare_as_promised():
    x = images_of(np.full(200, 0.55))
    found = certify(x=x, y=np.ones(200), n=100, alpha=0.2)
    margin = 0.05 * np.sqrt(48)
    wrong = (np.nan_to_num(found.per_sample["radius"]) > margin).mean()
    assert 0.08 < wrong < 0.28


def test_certified_accuracy_and_abstention():
    columns = {
        "index": np.arange(5),
        "label": np.array([0, 1, 2, 0, 1]),
        "class": np.array([0, 1, 2, 1, 1]),
        "votes": np.array([1000, 900, 510, 1000, 300]),
    }
    settings = {
        "model": "m",
        "images": "5 images",
        "sigma": 0.5,
        "n0": 100,
        "n": 1000,
        "alpha": 0.001,
        "confidence": 0.9,
    }
    found = Certificate(columns, settings)
    samples = found.per_sample
    # 510 of 1000 may be less than half of all; the fourth is wrong.
    assert samples["prediction"].tolist() == [0, 1, -1, 1, -1]
    assert found.abstained == 0.4
    radii = samples["radius"]
    assert found.largest_radius == radii[0] == radii[3]
    assert found.certified_accuracy(0.0) == 0.4
    assert found.certified_accuracy(radii[1]) == 0.4
    assert found.certified_accuracy(radii[1] + 1e-6) == 0.2
    assert found.certified_accuracy(found.largest_radius + 1e-6) == 0.0
    assert found.average_radius == pytest.approx((radii[0] + radii[1]) / 5)
    exact = stats.binomtest(2, 5).proportion_ci(0.9)
    assert found.certified_interval(0.0) == pytest.approx(
        (exact.low, exact.high)
    )


def test_summary_file_and_figure(result, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # as wide as `str` is
    result.summary()
    assert str(result) in capsys.readouterr().out
    assert "brightness: 24 images, noise of sigma 0.4" in str(result)
    path = tmp_path / "certificate.json"
    result.save(path)
    saved = json.loads(path.read_text())
    assert saved == result.to_dict()
    radii = [row["radius"] for row in saved["results"]]
    np.testing.assert_allclose(radii, [0, 0.2, 0.4, 0.6, 0.8])
    for row in saved["results"]:
        held = result.correct & (result.per_sample["radius"] >= row["radius"])
        assert row["accuracy"] == held.mean()
    loaded = kad.evaluation.load_certificate(path)
    assert loaded.to_dict() == result.to_dict()

    figure = result.plot(tmp_path / "certificate.png")
    (axes,) = figure.axes
    line = axes.lines[0]
    assert line.get_xdata()[-1] == result.largest_radius
    assert line.get_ydata()[0] == 100 * result.certified_accuracy(0.0)
    assert_legible(figure)
    with pytest.raises(ValueError, match=r"`kad.evaluation.certify` returned"):
        kad.visualization.certificate_figure({})


@pytest.mark.parametrize(
    "content, message",
    [
        ({"format": "other"}, "not a certificate"),
        ({"settings": {}}, "lacks some of its settings"),
        ({"columns": {"index": [0]}}, "lacks some of its settings"),
        ({"columns": "text"}, "lacks some of its settings"),
    ],
)
def test_damaged_files(result, content, message, tmp_path):
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps({**result.to_dict(), **content}))
    with pytest.raises(ValueError, match=message):
        kad.evaluation.load_certificate(path)
    with pytest.raises(ValueError, match="should end in .json"):
        result.save(tmp_path / "certificate.txt")


def test_sigma_follows_the_value_range():
    bytes_ = (255 * IMAGES[:2]).astype("float32")
    found = certify(x=bytes_, y=LABELS[:2], sigma=None, value_range=(0, 255))
    assert found.settings["sigma"] == 255 / 4


def test_a_data_set_and_a_sample(result):
    batches = [(IMAGES[:5], LABELS[:5]), (IMAGES[5:], LABELS[5:])]
    assert certify(x=batches, y=None).to_dict() == result.to_dict()
    some = certify(limit=6)
    index = some.per_sample["index"]
    assert len(some) == 6
    assert (some.per_sample["label"] == LABELS[index]).all()
    assert some.settings["images"] == "6 images, drawn from 24 by class"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sigma": 0.0}, "`sigma` should be a number above 0"),
        ({"n": 0}, "`n` should be a whole number"),
        ({"n0": 2.5}, "`n0` should be a whole number"),
        ({"alpha": 0.6}, "`alpha` should be a number above 0 and at most 0.5"),
        ({"seed": None}, "`seed` should be a whole number"),
        ({"confidence": 95}, "`confidence` should be a number between"),
        ({"verbose": 3}, "`verbose` should be"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        certify(**arguments)
