"""Reports: text, picture, card."""

import json
import sys

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import gradient_attacks

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def report():
    return kad.evaluate_robustness(
        brightness(),
        IMAGES,
        LABELS,
        attacks=gradient_attacks(),
        epsilons=[8 / 255, 0.1],
        checks=False,
        dataset="brightness",
        verbose=0,
    )


def accuracy(epsilon):
    return (DISTANCES > epsilon).mean()


def test_text(report, capsys):
    text = str(report)
    rows = [line.split() for line in text.splitlines()]
    worst = [row for row in rows if row[1:3] == ["worst", "case"]]
    assert [row[0] for row in worst] == ["8/255", "0.1"]
    for row, epsilon in zip(worst, (8 / 255, 0.1), strict=True):
        assert row[3] == f"{100 * accuracy(epsilon):.1f}"
        low, high = report.robust_interval[epsilon]
        assert row[4:7] == [f"{100 * low:.1f}", "-", f"{100 * high:.1f}"]
    assert ["clean", "100.0"] in [row[:2] for row in rows]
    assert "\x1b" not in text
    assert text.endswith("not checked: all flags. `checks` is off.\n")
    report.summary()
    assert "worst case" in capsys.readouterr().out


def test_confusion_is_what_the_model_takes_images_for():
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4, kernel_initializer="he_normal"),
        ]
    )
    x = rng.uniform(0.2, 0.8, (32, 4, 4, 1)).astype("float32")
    clean = model.predict(x, verbose=0).argmax(-1)
    labels = np.where(np.arange(32) < 4, (clean + 1) % 4, clean)
    report = kad.evaluate_robustness(
        model,
        x,
        labels,
        attacks={"fgsm": FGSM(), "step_ll": kad.attacks.StepLL()},
        epsilons=[0.05, 0.1],
        value_range=(0, 1),
        keep_images=True,
        checks=False,
        verbose=0,
    )

    def counted(classes):
        counts = np.zeros((4, 4), int)
        for pair in zip(labels, classes, strict=True):
            counts[pair] += 1
        return counts

    def taken_for(column):
        return model.predict(report.images[column], verbose=0).argmax(-1)

    samples, confusion = report.per_sample, report.confusion
    np.testing.assert_array_equal(confusion[0.0], counted(clean))
    nearer = samples["step_ll_distance"] < samples["fgsm_distance"]
    for name in ("0.05", "0.1"):
        # Which attack was nearer is known from the distances, and
        # the images of an attack stay as they were when it succeeded first.
        by_fgsm = taken_for(f"fgsm@{name}")
        by_other = taken_for(f"step_ll@{name}")
        fell = samples[f"fgsm_success@{name}"]
        by_other_alone = samples[f"step_ll_success@{name}"] & (nearer | ~fell)
        worst = np.where(by_other_alone, by_other, by_fgsm)
        worst[samples[f"robust@{name}"]] = labels[samples[f"robust@{name}"]]
        found = confusion[float(name)]
        np.testing.assert_array_equal(found, counted(worst))
        assert (found.sum(1) == np.bincount(labels, minlength=4)).all()
    fell = samples["fgsm_success@0.1"]
    assert fell[4:].any() and not fell.all()
    np.testing.assert_array_equal(
        samples["fgsm_prediction"], np.where(fell, taken_for("fgsm@0.1"), clean)
    )


def test_table_fits_a_narrow_terminal(report, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    report.summary()
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown


def test_table_in_a_file_is_not_cut(report, monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    report.summary()
    assert capsys.readouterr().out == str(report)


def test_plot(report, tmp_path):
    figure = report.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    curves = {line.get_label(): line for line in axes.get_lines()}
    assert set(curves) == {"fgsm", "pgd", "worst case"}
    for line in curves.values():
        np.testing.assert_allclose(line.get_xdata(), [0, 8 / 255, 0.1])
        expected = [100.0, 100 * accuracy(8 / 255), 100 * accuracy(0.1)]
        np.testing.assert_allclose(line.get_ydata(), expected)
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    low, high = report.robust_interval[0.1]
    assert 100 * low in heights and 100 * high in heights


def test_plot_says_what_to_install(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"keras-attn-defense\[viz\]"):
        report.plot()


def test_card(report, tmp_path):
    path = tmp_path / "card.json"
    report.save(path)
    card = kad.evaluation.load_card(path)
    assert card == report.to_dict()

    # As in RobustBench's `model_info`.
    assert card["dataset"] == "brightness"
    assert card["eps"] == "0.1"
    assert card["clean_acc"] == "100.00"
    assert card["reported"] == f"{100 * accuracy(0.1):.2f}"
    assert card["autoattack_acc"] is None
    assert card["unreliable"] is None
    assert card["threat_model"] == {
        "norm": "linf",
        "epsilons": [8 / 255, 0.1],
        "value_range": [0.0, 1.0],
    }
    assert card["num_images"] == len(LABELS)
    assert card["attacks"]["pgd"]["steps"] == 3
    assert card["results"][1]["accuracy"] == accuracy(8 / 255)
    assert card["seed"] == 0
    assert card["backend"] in card["versions"]


@pytest.mark.parametrize(
    "content, message",
    [
        (lambda text: text[: len(text) // 2], "truncated or no JSON"),
        (lambda text: "", "truncated or no JSON"),
        (lambda text: '{"model": 1}', "is not a card"),
        (lambda text: "[1, 2]", "is not a card"),
        (
            lambda text: text.replace(
                '"format_version": 1', '"format_version": 2'
            ),
            "has format version 2",
        ),
        (lambda text: text.replace('"flags"', '"flaps"'), "as 'flags'"),
    ],
)
def test_what_is_no_card_is_named(report, tmp_path, content, message):
    path = tmp_path / "card.json"
    path.write_text(content(json.dumps(report.to_dict())))
    with pytest.raises(ValueError, match=message) as error:
        kad.evaluation.load_card(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"results": []}, "accuracies with their intervals as 'results'"),
        ({"results": [1]}, "as 'results'. Received: .1."),
        ({"results": {"attack": "clean"}}, "as 'results'"),
        ({"flags": [{"name": "<script>", "raised": "yes"}]}, "as 'flags'"),
        ({"threat_model": {"norm": "l3"}}, "as 'threat_model'"),
        ({"num_images": -1}, "a whole number as 'num_images'"),
        ({"num_images": 10**9}, "a bit for each of its 1000000000 images"),
        ({"outcomes": [{"epsilon": 0.0, "correct": "zz"}]}, "as 'outcomes'"),
        ({"outcomes": [None]}, "as 'outcomes'"),
        ({"attacks": None}, "settings by name as 'attacks'"),
        ({"name": ["x"] * 1000}, "a text as 'name'"),
        ({"data_checksum": "1"}, "as 'data_checksum'"),
    ],
)
def test_damaged_and_forged_cards(report, tmp_path, change, message):
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**report.to_dict(), **change}))
    for read in (
        kad.evaluation.load_card,
        lambda p: kad.evaluation.compare([p]),
    ):
        with pytest.raises(ValueError, match=message) as error:
            read(path)
        assert str(path) in str(error.value) and len(str(error.value)) < 500

    results = report.to_dict()["results"]
    for some in (results[1:], results[:-1], [{**results[0], "accuracy": 2.0}]):
        path.write_text(json.dumps({**report.to_dict(), "results": some}))
        with pytest.raises(ValueError, match="'results'"):
            kad.evaluation.load_card(path)
    path.write_text(
        json.dumps({**report.to_dict(), "confidence": float("nan")})
    )
    with pytest.raises(ValueError, match="NaN is no number of JSON"):
        kad.evaluation.load_card(path)


def test_standard_autoattack_is_told_from_others():
    def card(attacks):
        return kad.evaluate_robustness(
            brightness(),
            IMAGES[:4],
            LABELS[:4],
            attacks=attacks,
            epsilons=0.3,
            checks=False,
            verbose=0,
        ).to_dict()

    assert card({"autoattack": FGSM()})["autoattack_acc"] is None
    # All fall to the first component, so that the others are not run.
    with pytest.warns(UserWarning, match="2 classes"):
        standard = card("autoattack")
    assert standard["autoattack_acc"] == standard["reported"] == "0.00"
    assert list(standard["attacks"]) == [
        f"autoattack/{name}"
        for name in ("apgd-ce", "apgd-t", "fab-t", "square")
    ]
    attacked = [line["attacked"] for line in standard["results"][1:-1]]
    assert attacked == [4, 0, 0, 0]
