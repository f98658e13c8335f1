"""Tests of the study on data with planted effects."""

import json
import weakref

import keras
import numpy as np
import pytest
from keras import layers

from keras_attn_defense import AttentionDefendedModel
from keras_attn_defense.analysis import AttentionStudy
from keras_attn_defense.analysis import StudyResult
from keras_attn_defense.analysis import compare_studies
from keras_attn_defense.analysis import load_study
from keras_attn_defense.attacks import BIM
from keras_attn_defense.attacks import DeepFool
from keras_attn_defense.attacks import Square
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import InputGradients
from keras_attn_defense.attention.compiled_method import CompiledMethod
from keras_attn_defense.classifier.predictor import Predictor
from tests.visualization.helpers import assert_legible

pytestmark = pytest.mark.once

BOX = (0.0, 0.25, 0.5, 0.75)
ATTACK = BIM(epsilon=0.05, steps=2)
NUM = 22


def classifier():
    """Returns a model of class 1 where red is above 0.28 on average.

    Its map is the part of red above 0.28.
    """
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 1, name="last")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2)(x), name="red")
    model.set_weights(
        [
            np.array([[1.0, 0], [0, 0], [0, 0]]).reshape(1, 1, 3, 2),
            np.array([0.0, 1.0]),  # The second feature is 1 everywhere.
            np.array([[0.0, 100.0], [0.0, -28.0]]),
            np.zeros(2),
        ]
    )
    return model


def images(incomplete_first):
    """Returns images of a bright square, labels and boxes.

    The square lies in the box, or half of it outside; the last label is wrong.
    """
    rng = np.random.default_rng(0)
    x = np.full((NUM, 8, 8, 3), 0.2)
    outside = np.arange(NUM) % 2 == 1
    for image, beside in zip(x, outside, strict=True):
        dim = beside == incomplete_first
        left = 2 if beside else 0
        # Margins of 0.02 and 0.07, the attack reaches 0.05.
        bright = (0.6 if dim else 0.8) + rng.uniform(-0.02, 0.02)
        image[2:6, left : left + 4, 0] = bright
    y = np.ones(NUM, "int32")
    y[-1] = 0
    return x.astype("float32"), y, np.tile(BOX, (NUM, 1)), outside


@pytest.fixture(scope="module")
def model():
    return classifier()


@pytest.fixture(scope="module")
def study(model):
    return AttentionStudy(model, ATTACK, batch_size=8)


@pytest.fixture(scope="module")
def results(study):
    """Runs studies in which incomplete or complete images are misclassified."""
    return {
        first: study.run(*images(first)[:3], verbose=0)
        for first in (True, False)
    }


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "incomplete_first, expected",
    [(True, "holds"), (False, "the opposite holds")],
)
def test_planted_effect(results, incomplete_first, expected):
    result, outside = results[incomplete_first], images(True)[3]
    samples = result.per_sample
    right = np.arange(NUM) < NUM - 1

    np.testing.assert_array_equal(result.correct, right)
    np.testing.assert_allclose(
        samples["completeness"][right], np.where(outside, 1 / 3, 1.0)[right]
    )
    np.testing.assert_array_equal(
        samples["success"][right], (outside == incomplete_first)[right]
    )
    assert np.isnan(samples["completeness"][-1])
    assert np.isnan(samples["success"][-1])
    summary = result.statistics
    assert summary["measures"]["completeness"]["verdict"] == expected
    assert summary["success"]["n"] == NUM - 1
    groups = [
        summary["measures"]["completeness"][k] for k in ("chosen", "others")
    ]
    means = [group["mean"] for group in groups]
    assert means == pytest.approx(
        [1 / 3, 1.0] if incomplete_first else [1.0, 1 / 3]
    )
    assert f"{expected}: images with less complete attention" in str(result)
    bins = {
        tuple(row["from_to"]): row["share"]
        for row in summary["bins"]
        if row["n"]
    }
    share = float(incomplete_first)
    incomplete = summary["incomplete"]
    assert incomplete["chosen"]["share"] == share
    assert incomplete["others"]["share"] == 1 - share
    assert incomplete["p"] < 1e-5
    assert f"below 0.5: {100 * share:.1f} %" in str(result)
    assert bins == {(0.3, 0.4): share, (0.9, 1.0): 1 - share}


def test_steps(results):
    steps = results[True].steps
    outside = images(True)[3][:-1]

    success = steps["fallen"][:-1]
    assert success.shape == (NUM - 1, 3)
    # 0.02 away: the first step, of 0.0625, goes to the border of the ball.
    np.testing.assert_array_equal(success[:, 0], 0)
    np.testing.assert_array_equal(success[:, 2], outside)
    np.testing.assert_allclose(steps["iou"][:-1], 1.0)
    np.testing.assert_array_equal(steps["components"][:-1], 1)
    np.testing.assert_allclose(steps["centroid_shift"][:-1], 0, atol=1e-6)
    # Sixteen of 64 positions weigh the same.
    np.testing.assert_allclose(
        steps["entropy"][:-1], np.log(16) / np.log(64), rtol=1e-5
    )
    # The attention did not move in any image.
    measures = results[True].statistics["measures"]
    assert measures["iou"]["verdict"] == "cannot be told"


def test_confidence_drop(results, model):
    drop = results[True].per_sample["confidence_drop"][:-1]

    x, _, _, _ = images(True)
    masked = x.copy()
    masked[x[..., 0] > 0.28] = 0.5  # The attention area, in gray.
    logits = [100 * each[..., 0].mean((1, 2)) - 28 for each in (x, masked)]
    before, after = (1 / (1 + np.exp(-each)) for each in logits)
    np.testing.assert_allclose(drop, (before - after)[:-1], atol=1e-4)


def test_data_sets_and_batch_sizes_give_the_same_and_keep_no_images(
    model, results
):
    x, y, boxes, _ = images(True)
    alive = []

    def batches():
        for first in range(0, NUM, 5):
            rows = slice(first, first + 5)
            batch = x[rows].copy()
            alive.append(weakref.ref(batch))
            yield batch, y[rows], boxes[rows]
            del batch

    study = AttentionStudy(model, ATTACK, batch_size=4)
    result = study.run(batches(), verbose=0)

    expected = results[True].per_sample
    assert result.per_sample.keys() == expected.keys()
    for name, values in result.per_sample.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
    assert len(alive) == 5 and not any(each() is not None for each in alive)


def test_without_boxes_by_a_search_and_with_another_method(model):
    x, y, _, outside = images(True)
    study = AttentionStudy(
        model,
        Square(epsilon=0.05, queries=3, seed=0),
        other_attention=InputGradients(),
        batch_size=8,
    )

    result = study.run(x, y, limit=8, verbose=0)

    samples = result.per_sample
    assert "completeness" not in samples and len(result) == 8
    assert result.steps["iou"].shape == (8, 2)  # Before and after.
    # The gradient of a linear model is the same everywhere.
    np.testing.assert_allclose(samples["other_iou"], 1.0)
    np.testing.assert_allclose(samples["other_rank_correlation"], 1.0)
    np.testing.assert_allclose(samples["other_entropy_rise"], 0.0, atol=1e-6)
    assert "second method" in str(result)


def test_attack_without_a_radius(model, tmp_path):
    x, y, boxes, _ = images(True)
    study = AttentionStudy(model, DeepFool(steps=5), batch_size=8)

    result = study.run(x, y, boxes, limit=8, verbose=0)

    # The attack goes on until all images are misclassified: no other group.
    assert result.per_sample["success"].all()
    completeness = result.statistics["measures"]["completeness"]
    assert completeness["verdict"] == "cannot be told"
    assert "succeeds on 8 of them at any distance" in str(result)
    result.save(tmp_path / "study.json")
    assert load_study(tmp_path / "study.json").settings["epsilon"] is None


@pytest.mark.everywhere
def test_saved_and_loaded(results, tmp_path):
    path = tmp_path / "study.json"
    results[True].save(path)

    loaded = load_study(path)
    assert str(loaded) == str(results[True])
    for name, values in loaded.per_sample.items():
        np.testing.assert_array_equal(values, results[True].per_sample[name])
    content = json.loads(path.read_text())
    assert content["settings"]["attack"]["name"] == "BIM"
    assert content["settings"]["epsilon"] == pytest.approx(0.05)

    path.write_text(path.read_text()[:-100])
    with pytest.raises(ValueError, match="truncated or no JSON"):
        load_study(path)
    path.write_text('{"format": "something else"}')
    with pytest.raises(ValueError, match="is not a study"):
        load_study(path)
    path.write_text(json.dumps({"format": content["format"]}))
    with pytest.raises(ValueError, match="lacks some of its settings"):
        load_study(path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"columns": []}, "lacks some"),
        ({"columns": {"index": [0]}}, "'label' is missing"),
        ({"label": [[1], [2]]}, "'label' has the shape"),
        ({"iou": [0.5]}, "'iou' has the shape"),
        ({"iou": "all of it"}, "could not convert string"),
        ({"settings": None}, "lacks some"),
        ({"settings": {"model": "m", "epsilon": 1, "attack": {}}}, "'name'"),
    ],
)
def test_foreign_and_damaged_studies(results, tmp_path, changes, message):
    path = tmp_path / "study.json"
    results[True].save(path)
    content = json.loads(path.read_text())
    for key, value in changes.items():
        part = content if key in content else content["columns"]
        part[key] = value
    path.write_text(json.dumps(content))

    with pytest.raises(ValueError, match=message):
        load_study(path)


@pytest.mark.parametrize(
    "name", ["net[v2]", "[/]", ":fire:", r"$\bad$", "_net"]
)
def test_names_are_shown_as_they_are(results, name, capsys):
    columns = {**results[True].per_sample, **results[True].steps}
    result = StudyResult(columns, {**results[True].settings, "model": name})
    comparison = compare_studies({name: result, "other": result})

    result.summary()
    comparison.summary()
    for text in (str(result), str(comparison)):
        assert name in text
    assert capsys.readouterr().out.count(name) == 2

    figure = comparison.plot()
    (legend,) = figure.legends
    assert_legible(figure)
    assert legend.get_texts()[0].get_text().strip() == name


def test_model_runs_once_for_each_use(study, monkeypatch):
    runs = []

    def count(kind, name):
        run = getattr(kind, name)

        def counted(self, *args):
            runs.append(kind)
            return run(self, *args)

        monkeypatch.setattr(kind, name, counted)

    count(Predictor, "logits")
    count(CompiledMethod, "__call__")
    study.run(*images(True)[:3], verbose=0)
    blocks, steps = 3, ATTACK.steps
    # The clean images and the masked ones; maps of the clean images and of
    # those after each step.
    assert runs.count(Predictor) == 2 * blocks
    assert runs.count(CompiledMethod) == (1 + steps) * blocks


def test_plain_values(results, tmp_path):
    path = tmp_path / "written.json"
    studies = {"first": results[True], "again": results[True]}
    for each in (results[True], compare_studies(studies)):
        each.save(path)
        assert json.loads(path.read_text()) == each.to_dict()


def test_studies_are_written_as_json_alone(results, tmp_path):
    with pytest.raises(ValueError, match=r"should end in \.json"):
        results[True].save(tmp_path / "study.npz")
    assert not list(tmp_path.iterdir())


def test_names_and_functions_stand_for_attacks_and_methods(model):
    x, y, boxes, _ = images(True)

    def halfway(model, images, labels, epsilon):
        return images - np.float32(epsilon / 2)

    study = AttentionStudy(model, "fgsm", "layer-cam", "occlusion")
    assert type(study.attack).__name__ == "FGSM"
    assert type(study.attention).__name__ == "LayerCAM"
    assert type(study.other_attention).__name__ == "Occlusion"
    study = AttentionStudy(model, halfway, batch_size=8)
    result = study.run(x, y, [[box] for box in boxes], limit=8, verbose=0)
    assert result.settings["attack"]["name"] == "ForeignAttack"
    assert "completeness" in result.per_sample

    with pytest.raises(ValueError, match="`attack` should be an attack"):
        AttentionStudy(model, 3)
    with pytest.raises(ValueError, match="`attention` should be"):
        AttentionStudy(model, ATTACK, 3)


def test_boxes_may_be_lists_of_different_lengths(model):
    x, y, boxes, _ = images(True)
    ragged = [[box] * (1 + index % 2) for index, box in enumerate(boxes)]
    study = AttentionStudy(model, ATTACK, batch_size=8)

    result = study.run(x, y, ragged, limit=8, verbose=0)

    expected = study.run(x, y, boxes, limit=8, verbose=0)
    np.testing.assert_array_equal(
        result.per_sample["completeness"], expected.per_sample["completeness"]
    )


def test_attributes_like_ours_do_not_make_a_defended_model(model):
    model.base, model.attention = model.layers[1], model.layers[2]
    try:
        attention = AttentionStudy(model, ATTACK).attention
        assert attention.get_config()["layer"] is None
    finally:
        del model.base, model.attention


def test_a_defended_model_is_looked_at_where_it_was_defended(model):
    defended = AttentionDefendedModel(model, ATTACK, GradCAM("last", "l2"))

    attention = AttentionStudy(defended, ATTACK).attention

    assert attention.layer == "last" and attention.normalization == "max"


def test_value_range_is_that_of_model_and_attack_too(model):
    study = AttentionStudy(model, BIM(steps=2), value_range=(-1.0, 1.0))
    assert study.attack.resolve_value_range(model) == (-1.0, 1.0)

    with pytest.raises(ValueError, match=r"attack is for images in.*\(0.0, 1"):
        AttentionStudy(model, BIM(value_range=(0, 1)), value_range=(-1.0, 1.0))
    defended = AttentionDefendedModel(model, ATTACK)
    with pytest.raises(ValueError, match="model takes images in value_range"):
        AttentionStudy(defended, value_range=(-1.0, 1.0))


def test_comparison(results):
    first = results[True]
    columns = {**results[False].per_sample, **results[False].steps}
    # As if the images were the same.
    columns["brightness"] = first.per_sample["brightness"]
    second = StudyResult(columns, results[False].settings)
    comparison = compare_studies({"first": first, "second": second})

    rows = comparison.rows
    assert comparison.common.sum() == NUM - 1
    # The attack succeeds on the ten of 21 images beside the box, or on the
    # eleven in it.
    assert rows["success"]["first"]["mean"] == pytest.approx(10 / 21)
    assert rows["success"]["second"]["mean"] == pytest.approx(11 / 21)
    assert rows["completeness"]["first"]["p"] is None
    text = str(comparison)
    assert "0.476 ± 0.112" in text and "21 images" in text

    with pytest.raises(ValueError, match="a dict of studies"):
        compare_studies([first, second])
    with pytest.raises(ValueError, match="at least two studies"):
        compare_studies({"first": first})
    norm = {"name": "BIM", "config": {"norm": "l2"}}
    for changed in ({"epsilon": 0.1}, {"epsilon": None}, {"attack": norm}):
        settings = {**second.settings, **changed}
        other = StudyResult({**second.per_sample, **second.steps}, settings)
        with pytest.raises(ValueError, match="differ in their attack"):
            compare_studies({"first": first, "other": other})
    columns = {**second.per_sample, **second.steps}
    columns["brightness"] = columns["brightness"][::-1]
    other = StudyResult(columns, second.settings)
    with pytest.raises(ValueError, match="image 0 differs in its mean"):
        compare_studies({"first": second, "other": other})
    settings = {**second.settings, "epsilon": 0.1}
    other = StudyResult({**second.per_sample, **second.steps}, settings)
    with pytest.raises(ValueError, match="BIM, epsilon 0.05, 2 steps"):
        compare_studies({"first": first, "other": other})


def test_figures(results):
    figure = results[True].plot()
    histogram, success, overlap, *_ = figure.axes
    heights = [bar.get_height() for bar in histogram.patches]
    assert sum(heights) == NUM - 1
    line = success.containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(orig=False), [0.35, 0.95])
    np.testing.assert_allclose(line.get_ydata(orig=False), [100, 0])
    np.testing.assert_allclose(overlap.lines[0].get_ydata(), 1.0)

    comparison = compare_studies({"a": results[True], "b": results[True]})
    success = comparison.plot().axes[0]
    np.testing.assert_allclose(
        [line.get_ydata()[-1] for line in success.lines], [10 / 21, 10 / 21]
    )


def test_bad_input(model, study):
    x, y, boxes, _ = images(True)
    with pytest.raises(ValueError, match="In images 0 to 7 of the data"):
        study.run(x, y + 1, boxes, verbose=0)
    with pytest.raises(ValueError, match="In images 0 to 7 .* fractions"):
        study.run(x, y, 8 * boxes, verbose=0)
    with pytest.raises(ValueError, match="none of the images correctly"):
        study.run(x[:8], 1 - y[:8], verbose=0)
    with pytest.raises(ValueError, match="no layer named 'nowhere'"):
        AttentionStudy(model, ATTACK, GradCAM("nowhere")).run(x, y, verbose=0)
