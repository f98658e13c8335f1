"""Tests of the images that a report keeps, and of its classes."""

import numpy as np
import pytest
import scipy

import keras_attn_defense as kad
from keras_attn_defense.evaluation.state import State
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import evaluate
from tests.evaluation.helpers import gradient_attacks
from tests.pages.helpers import IMAGES as NOISE
from tests.pages.helpers import evaluated
from tests.pages.helpers import network

pytestmark = pytest.mark.once


def answers_of(model, images, labels):
    """Predictions, confidences and margins, from Keras' own `predict`."""
    logits = model.predict(images, verbose=0).astype("float64")
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return (
        logits.argmax(-1),
        scipy.special.softmax(logits, -1).max(-1),
        logits[rows, labels] - others.max(-1),
    )


@pytest.mark.everywhere
def test_gallery_shows_what_the_evaluation_saw():
    model, labels = network()
    report = evaluated(model, labels, keep_images=True, batch_size=5)
    gallery = report.gallery
    assert len(gallery.rows) == 8 and gallery.note is None
    shown = labels[gallery.rows]
    np.testing.assert_array_equal(gallery.labels, shown)
    np.testing.assert_array_equal(gallery.images, NOISE[gallery.rows])
    assert list(gallery.adversarial) == list(gallery.attacked)
    assert set(gallery.adversarial) == set(report.images)
    seen = {"clean": (gallery.images, gallery.clean)}
    for name, images in gallery.adversarial.items():
        np.testing.assert_array_equal(images, report.images[name][gallery.rows])
        attack, _, label = name.partition("@")
        fell = report.per_sample[f"{attack}_success@{label}"][gallery.rows]
        found = gallery.attacked[name]
        np.testing.assert_array_equal(fell, found.predictions != shown)
        np.testing.assert_array_equal(fell, found.margins < 0)
        seen[name] = images, found
    grad_cam = kad.attention.GradCAM(
        normalization="max", upsample=True, model=model
    )
    mask = kad.attention.AttentionMask()
    before = mask.area(grad_cam(gallery.images, shown))
    for images, found in seen.values():
        expected = answers_of(model, images, shown)
        for one, other in zip(found, expected, strict=False):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        maps = grad_cam(images, shown)
        np.testing.assert_allclose(found.maps, maps, atol=1e-4)
        overlaps = kad.attention.intersection_over_union(
            before, mask.area(maps)
        )
        np.testing.assert_allclose(found.overlaps, overlaps, atol=1e-5)
    assert (gallery.clean.overlaps == 1).all()
    assert gallery.attention == "GradCAM"


def test_gallery_survives_an_interruption(tmp_path, monkeypatch):
    arguments = {
        "attacks": gradient_attacks(),
        "gallery": 6,
        "batch_size": 2,
    }
    whole = evaluate(**arguments).gallery
    path, saves, save = tmp_path / "state.npz", [], State.save

    def interrupted(self, records):
        save(self, records)
        saves.append(1)
        if len(saves) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(**arguments, state=path)
    again = evaluate(**arguments, state=path).gallery
    assert again.rows.tolist() == whole.rows.tolist()
    for name, images in whole.adversarial.items():
        np.testing.assert_array_equal(again.adversarial[name], images)
    with pytest.raises(ValueError, match="gallery was 6 and is 5"):
        evaluate(**{**arguments, "gallery": 5}, state=path)


def test_models_without_maps_say_why():
    flat = evaluate(brightness(), gallery=3).gallery
    assert flat.attention is None and flat.clean.maps is None
    assert flat.note and "GradCAM" not in (flat.attention or "")
    model = brightness()
    function = evaluate(lambda images: model(images), gallery=3).gallery
    assert "no Keras model" in function.note
    np.testing.assert_array_equal(function.clean.margins, flat.clean.margins)


def test_defended_model_shows_its_own_attention():
    model, labels = network()
    method = kad.attention.LayerCAM(layer="features")
    defended = kad.AttentionDefendedModel(model, attention=method)
    report = evaluated(defended, labels, attacks="fgsm", gallery=2)
    assert report.gallery.attention == "LayerCAM"


def test_no_gallery_unless_asked_for():
    assert evaluate().gallery is None
    for wrong in (-1, True, 2.5):
        with pytest.raises(ValueError, match="`gallery` should be a whole"):
            evaluate(gallery=wrong)


def test_accuracies_by_class():
    report = evaluate(attacks=["fgsm", "pgd"], epsilons=[0.06, 0.1])
    samples = report.per_sample
    assert list(report.by_class) == [0, 1]
    for label, rows in report.by_class.items():
        mine = samples["label"] == label
        found = {(row.attack, row.epsilon): row for row in rows}
        right = (samples["prediction"] == samples["label"])[mine]
        assert found["clean", 0.0].accuracy == right.mean()
        for attack in ("fgsm", "pgd"):
            fell = samples[f"{attack}_success@0.1"][mine]
            assert found[attack, 0.1].accuracy == pytest.approx(1 - fell.mean())
        robust = samples["robust@0.06"][mine]
        worst = found["worst case", 0.06]
        assert worst.accuracy == robust.mean()
        exact = scipy.stats.binomtest(int(robust.sum()), int(mine.sum()))
        np.testing.assert_allclose(
            worst.interval, exact.proportion_ci(method="exact"), rtol=1e-6
        )
    total = sum(
        row.accuracy * (LABELS == label).mean()
        for label, rows in report.by_class.items()
        for row in rows
        if (row.attack, row.epsilon) == ("worst case", 0.1)
    )
    assert total == pytest.approx(report.robust_accuracy[0.1])


def test_call_repeats_the_evaluation():
    report = evaluate(
        attacks={"mine": kad.attacks.PGD(steps=2, seed=3)},
        epsilons=[8 / 255, 0.1],
        seed=5,
        limit=12,
    )
    names = {
        "kad": kad,
        "PGD": kad.attacks.PGD,
        "model": brightness(),
        "x": IMAGES,
        "y": LABELS,
    }
    assert report.about["call"].endswith(")")
    call = report.about["call"][:-1] + "checks=False, verbose=0)"
    again = eval(call, names)
    assert again.threat_model == report.threat_model
    assert again.robust_accuracy == report.robust_accuracy
    assert again.num_images == 12
    assert 'attacks="fgsm"' in evaluate(attacks="fgsm").about["call"]
