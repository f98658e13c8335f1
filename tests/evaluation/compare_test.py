"""Cards side by side."""

import json

import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.evaluation.confidence import paired_difference
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness

pytestmark = pytest.mark.once


def evaluate(model, num=24, **arguments):
    arguments = {
        "attacks": FGSM(),
        "epsilons": [0.06, 0.1],
        "dataset": "brightness",
        "checks": False,
        "verbose": 0,
        **arguments,
    }
    return kad.evaluate_robustness(
        model, IMAGES[:num], LABELS[:num], **arguments
    )


@pytest.fixture(scope="module")
def model():
    return brightness()


@pytest.fixture(scope="module")
def report(model):
    return evaluate(model)


def test_order_and_values(model, report, tmp_path):
    shifted = brightness(middle=0.457)
    shifted.name = "shifted"
    other = evaluate(shifted, epsilons=[0.1])
    report.save(tmp_path / "card.json")

    # A report, a card or a path; the radius that they have in common.
    comparison = kad.evaluation.compare([other, tmp_path / "card.json"])
    assert comparison.epsilons == [0.1]
    assert [row["name"] for row in comparison.rows] == ["brightness", "shifted"]
    expected = (DISTANCES > 0.1).mean()
    assert comparison.rows[0]["robust_accuracy"] == {0.1: expected}
    assert comparison.rows[1]["robust_accuracy"] == other.robust_accuracy
    assert comparison.rows[1]["clean_accuracy"] == other.clean_accuracy < 1
    text = str(comparison)
    assert text.index("brightness ") < text.index("shifted")
    assert f"{100 * expected:.1f} %" in text
    again = kad.evaluation.compare([report.to_dict(), other.to_dict()])
    assert again.rows == comparison.rows


def test_plain_values(report, tmp_path, capsys):
    comparison = kad.evaluation.compare([report, report])
    comparison.save(tmp_path / "comparison.json")
    saved = json.loads((tmp_path / "comparison.json").read_text())
    assert saved == comparison.to_dict()
    robust = [
        {"epsilon": e, "value": share}
        for e, share in report.robust_accuracy.items()
    ]
    assert saved["models"][0]["robust_accuracy"] == robust
    pair = saved["pairs"][0]
    assert (pair["first"], pair["epsilon"]) == ("brightness", 0.0)
    assert pair["difference"] == 0.0
    comparison.summary()
    printed = capsys.readouterr().out
    assert "only first" in printed and "only first" in str(comparison)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"norm": "l2", "attacks": FGSM(norm="l2")}, "differ in norm"),
        ({"value_range": (-1, 1)}, "differ in value_range"),
        ({"dataset": "other"}, "differ in dataset"),
        ({"epsilons": 0.03}, "differ in epsilons"),
    ],
)
def test_what_cannot_be_compared(model, report, change, message):
    with pytest.raises(ValueError, match=message):
        kad.evaluation.compare([report, evaluate(model, **change)])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num": 12}, "differ in num_images"),
        ({"attacks": {"other": FGSM()}}, "differ in attacks"),
    ],
)
def test_what_is_compared_with_care(model, report, change, message):
    with pytest.warns(UserWarning, match=message):
        kad.evaluation.compare([report, evaluate(model, **change)])


def test_bad_input():
    with pytest.raises(ValueError, match="empty"):
        kad.evaluation.compare([])
    with pytest.raises(ValueError, match="not a card"):
        kad.evaluation.compare([{"name": "model"}])


def test_paired_differences(model, report):
    shifted = brightness(middle=0.56)
    other = evaluate(shifted, name="moved")
    comparison = kad.evaluation.compare([report, other])
    clean = next(p for p in comparison.pairs if p.epsilon == 0.0)
    assert (clean.first, clean.second) == ("brightness", "moved")
    one, two = (
        r.per_sample["prediction"] == r.per_sample["label"]
        for r in (report, other)
    )
    assert clean.result.only_first == (one & ~two).sum() > 0
    assert clean.result.only_second == (two & ~one).sum()
    assert clean.result.difference == pytest.approx(one.mean() - two.mean())
    for epsilon, name in ((0.06, "0.06"), (0.1, "0.1")):
        pair = next(p for p in comparison.pairs if p.epsilon == epsilon)
        one, two = (r.per_sample[f"robust@{name}"] for r in (report, other))
        assert pair.result.only_first == (one & ~two).sum()
        assert pair.result.only_second == (two & ~one).sum()
    assert "p-value" in str(comparison) and "moved" in str(comparison)


def test_other_images_are_not_paired(model, report):
    other = kad.evaluate_robustness(
        model,
        IMAGES[::-1],
        LABELS[::-1],
        attacks=FGSM(),
        epsilons=[0.06, 0.1],
        dataset="brightness",
        checks=False,
        verbose=0,
    )
    with pytest.warns(UserWarning, match="data_checksum"):
        assert kad.evaluation.compare([report, other]).pairs == []


def test_cards_from_before_outcomes_were_kept(report):
    old = {k: v for k, v in report.to_dict().items() if k != "outcomes"}
    comparison = kad.evaluation.compare([old, old])
    assert comparison.pairs == []
    assert "brightness" in str(comparison)


def test_radii_are_headed_as_elsewhere(model):
    other = evaluate(model, epsilons=[8 / 255])
    text = str(kad.evaluation.compare([other]))
    assert "8/255" in text and "0.0314" not in text


def test_paired_intervals_have_the_confidence_of_the_cards(model):
    first = evaluate(model, confidence=0.8)
    second = evaluate(brightness(middle=0.56), confidence=0.8)
    pair = kad.evaluation.compare([first, second]).pairs[0]
    masks = [
        report.per_sample["prediction"] == report.per_sample["label"]
        for report in (first, second)
    ]
    assert pair.result == paired_difference(*masks, 0.8)
    assert pair.result.interval != paired_difference(*masks, 0.95).interval
    other = evaluate(model, confidence=0.9)
    with pytest.warns(UserWarning, match="differ in confidence"):
        kad.evaluation.compare([first, other])
