"""`evaluate_robustness` against a classifier with known robustness."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import DeepFool
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import evaluate
from tests.evaluation.helpers import gradient_attacks
from tests.testing import BACKEND
from tests.testing import few_everywhere


def line(report, attack, epsilon):
    (found,) = [
        each
        for each in report.rows
        if each.attack == attack and each.epsilon == epsilon
    ]
    return found


def test_accuracies_in_closed_form():
    labels = LABELS.copy()
    labels[:3] = 1 - labels[:3]  # Wrong from the start.
    report = evaluate(
        y=labels,
        attacks=gradient_attacks(),
        epsilons=[0.1, 0.03, 0.06],
        batch_size=5,
        keep_images=True,
    )

    correct = np.arange(len(labels)) >= 3
    assert report.clean_accuracy == correct.mean()
    assert list(report.robust_accuracy) == [0.03, 0.06, 0.1]
    samples = report.per_sample
    for epsilon, accuracy in report.robust_accuracy.items():
        standing = correct & (DISTANCES > epsilon)
        assert accuracy == standing.mean()
        for attack in ("fgsm", "pgd"):
            assert line(report, attack, epsilon).accuracy == accuracy
            success = samples[f"{attack}_success@{epsilon:g}"]
            np.testing.assert_array_equal(success, ~standing)
        np.testing.assert_array_equal(samples[f"robust@{epsilon:g}"], standing)

    # FGSM moves by epsilon; what fell at the first one keeps that distance.
    expected = np.select(
        [~correct, DISTANCES < 0.03, DISTANCES < 0.06, DISTANCES < 0.1],
        [0.0, 0.03, 0.06, 0.1],
        np.nan,
    )
    np.testing.assert_allclose(samples["fgsm_distance"], expected, atol=1e-6)
    fallen = expected[correct & (expected <= 0.06)]
    found = line(report, "fgsm", 0.06)
    np.testing.assert_allclose(found.mean_distance, fallen.mean(), rtol=1e-5)
    np.testing.assert_allclose(
        found.median_distance, np.median(fallen), rtol=1e-5
    )

    # Only what stood at the smaller epsilon is attacked at the next.
    assert line(report, "fgsm", 0.03).attacked == correct.sum()
    attacked = (correct & (DISTANCES > 0.03)).sum()
    assert line(report, "pgd", 0.06).attacked == attacked
    assert line(report, "pgd", 0.06).forward_passes == 3
    assert line(report, "fgsm", 0.06).backward_passes == 1
    # Passes of all attacks, for each image that any of them attacked.
    worst = line(report, "worst case", 0.03)
    assert worst.attacked == correct.sum()
    assert (worst.forward_passes, worst.backward_passes) == (4, 4)

    np.testing.assert_array_equal(samples["label"], labels)
    np.testing.assert_array_equal(samples["prediction"], LABELS)
    assert {len(column) for column in samples.values()} == {len(labels)}
    images = report.images["fgsm@0.06"]
    np.testing.assert_array_equal(images[:3], IMAGES[:3])
    change = abs(images - IMAGES).max(axis=(1, 2, 3))
    np.testing.assert_allclose(
        change[3:], np.where(DISTANCES < 0.03, 0.03, 0.06)[3:], atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("norm", few_everywhere(["linf", "l2", "l1"], 1))
def test_quick_set(norm):
    report = evaluate(attacks="quick", epsilons=None, norm=norm)

    iterative = "apgd" if norm == "l1" else "pgd"
    attacks = ["clean", "fgsm", iterative, "square", "worst case"]
    assert [each.attack for each in report.rows] == attacks
    # The mean moves by epsilon, or by its share of all values.
    (epsilon,) = report.robust_accuracy
    size = {"linf": 1.0, "l2": IMAGES[0].size ** 0.5, "l1": IMAGES[0].size}
    expected = (DISTANCES > epsilon / size[norm]).mean()
    assert report.robust_accuracy[epsilon] == expected


def data_sources():
    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            rows = slice(6 * index, 6 * index + 6)
            return IMAGES[rows], LABELS[rows], np.ones(6)

    def generator():
        for first in range(0, 24, 7):
            yield IMAGES[first : first + 7], LABELS[first : first + 7]

    yield "tensor", (keras.ops.convert_to_tensor(IMAGES), LABELS)
    yield "one-hot", (IMAGES, np.eye(2)[LABELS])
    yield "PyDataset", (Sequence(), None)
    yield "generator", (generator(), None)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))
        yield "tf.data", (data.batch(7), None)
    if BACKEND == "torch":
        import torch

        data = list(zip(IMAGES, LABELS, strict=True))
        loader = torch.utils.data.DataLoader(data, batch_size=7)
        yield "DataLoader", (loader, None)


def test_every_source_of_data():
    model = brightness()
    attack = PGD(steps=2)
    expected = evaluate(model, attacks=attack, batch_size=4).per_sample

    for name, (x, y) in data_sources():
        report = evaluate(model, x, y, attacks=attack, batch_size=4)
        for column, values in expected.items():
            found = report.per_sample[column]
            np.testing.assert_array_equal(found, values, f"{name}: {column}")

    # Of arrays both classes get their half, of a data set the first come.
    report = evaluate(model, limit=10, attacks=attack, batch_size=4)
    assert report.to_dict()["images"] == "10 images, drawn from 24 by class"
    found = report.per_sample
    assert found["label"].sum() == 5
    for column, values in expected.items():
        np.testing.assert_array_equal(found[column], values[found["index"]])
    batches = [(IMAGES[i : i + 4], LABELS[i : i + 4]) for i in range(0, 24, 4)]
    report = evaluate(
        model, batches, None, limit=10, attacks=attack, batch_size=4
    )
    for column, values in expected.items():
        np.testing.assert_array_equal(report.per_sample[column], values[:10])
    assert "the first 10 images" in str(report)


def test_other_value_range_is_the_same_in_other_units():
    model = brightness(scale=0.1, middle=127.5)
    report = evaluate(
        model, IMAGES * 255, attacks="fgsm", epsilons=None, value_range=(0, 255)
    )

    assert list(report.robust_accuracy) == [8.0]
    expected = (DISTANCES > 8 / 255).mean()
    assert report.robust_accuracy[8.0] == expected
    model.value_range = (0, 255)
    report = evaluate(model, IMAGES * 255, attacks="fgsm", epsilons=None)
    assert report.robust_accuracy == {8.0: expected}


def test_l2_radius_in_closed_form():
    size = np.sqrt(IMAGES[0].size)
    report = evaluate(attacks=FGSM(norm="l2"), epsilons=0.1 * size, norm="l2")

    (accuracy,) = report.robust_accuracy.values()
    assert accuracy == (DISTANCES > 0.1).mean()
    # Without any, the usual one.
    report = evaluate(attacks=FGSM(norm="l2"), epsilons=None, norm="l2")
    assert list(report.robust_accuracy) == [0.5]


def test_attacks_carry_their_epsilon():
    report = evaluate(attacks=[FGSM(0.06), PGD(0.06, steps=2)], epsilons=None)

    assert list(report.robust_accuracy) == [0.06]
    with pytest.raises(ValueError, match="Pass `epsilons`"):
        evaluate(attacks=[FGSM(0.06), FGSM(0.03)], epsilons=None)


def test_minimal_attack_runs_once_and_counts_everywhere():
    attack = DeepFool(norm="linf")
    report = evaluate(attacks={"deepfool": attack}, epsilons=[0.06, 0.1])

    found = report.per_sample["deepfool_distance"]
    np.testing.assert_allclose(found, DISTANCES, rtol=0.03)
    for epsilon, accuracy in report.robust_accuracy.items():
        assert (
            accuracy == (found > epsilon).mean() == (DISTANCES > epsilon).mean()
        )
    assert line(report, "deepfool", 0.06).attacked == len(DISTANCES)
    assert line(report, "deepfool", 0.1).attacked == 0


def test_cascade_goes_on_with_what_stands():
    cascade = kad.attacks.AutoAttack(version=[OnlyDark(), FGSM()])
    with pytest.warns(UserWarning, match="2 classes"):
        report = evaluate(attacks={"all": cascade}, epsilons=[0.06, 0.1])

    dark = LABELS == 0
    first, second = [each.attack for each in report.rows[1:3]]
    assert first.startswith("all/") and second.startswith("all/")
    near, far = DISTANCES < 0.06, DISTANCES < 0.1
    # Cumulative: at 0.1 the first one starts from what both left at 0.06.
    assert line(report, first, 0.06).accuracy == (~(near & dark)).mean()
    assert line(report, second, 0.06).accuracy == (~near).mean()
    assert (
        line(report, first, 0.1).accuracy
        == 1 - (far & dark | near & ~dark).mean()
    )
    assert line(report, second, 0.1).accuracy == (~far).mean()
    assert line(report, first, 0.06).attacked == 24
    assert line(report, second, 0.06).attacked == (~(near & dark)).sum()
    assert line(report, first, 0.1).attacked == (~near).sum()
    assert line(report, second, 0.1).attacked == (~(near | far & dark)).sum()


class OnlyDark(FGSM):
    """Does nothing to bright images."""

    def run_batches(self, victim, value_range, images, labels, batch_size):
        result = super().run_batches(
            victim, value_range, images, labels, batch_size
        )
        bright = (labels == 1)[:, None, None, None]
        return result._replace(images=np.where(bright, images, result.images))


def test_function_and_defended_model_agree_with_the_model():
    model = brightness()
    expected = evaluate(model).per_sample
    defended = kad.AttentionDefendedModel(
        model, attack=FGSM(), rectification_weight=0, preservation_weight=0
    )
    for other in (lambda images: model(images), defended):
        found = evaluate(other).per_sample
        for column, values in expected.items():
            np.testing.assert_array_equal(found[column], values)


def test_approximated_gradients():
    def quantized(images):
        return keras.ops.round(images * 50.0) / 50.0

    report = evaluate(kad.attacks.BPDA(brightness(), quantized))

    # Quantization moves a mean by less than the step between distances.
    near, far = DISTANCES < 0.085, DISTANCES > 0.115
    standing = report.per_sample["robust@0.1"]
    assert not standing[near].any() and standing[far].all()


def test_seed_decides():
    model, attack = brightness(), PGD(steps=1, step_size=1e-4)

    def images(seed):
        report = evaluate(model, attacks=attack, seed=seed, keep_images=True)
        return report.images["pgd@0.1"]

    np.testing.assert_array_equal(images(1), images(1))
    assert (images(1) != images(2)).mean() > 0.5


def by_an_eighth(model, images, labels):
    """Moves each image towards the other class."""
    return images + np.where(labels == 1, -0.125, 0.125)[:, None, None, None]


def test_what_falls_at_the_radius_itself_has_fallen():
    # In units of which float32 adds without rounding.
    images = np.round(IMAGES * 1024) / 1024
    report = evaluate(x=images, attacks={"exact": by_an_eighth}, epsilons=0.125)

    standing = DISTANCES > 0.125
    np.testing.assert_array_equal(report.per_sample["robust@0.125"], standing)
    distances = report.per_sample["exact_distance"]
    np.testing.assert_array_equal(distances[~standing], 0.125)
    for name in ("exact", "worst case"):
        assert line(report, name, 0.125).accuracy == standing.mean()


def test_blocks_have_noise_of_their_own():
    attack = PGD(steps=1, step_size=1e-4)
    images = np.concatenate([IMAGES[2:6]] * 2)  # One image in a batch.
    labels = np.concatenate([LABELS[2:6]] * 2)

    report = evaluate(
        None, images, labels, attacks=attack, batch_size=1, keep_images=True
    )

    first, second = np.split(report.images["pgd@0.1"], 2)
    assert (first != second).mean() > 0.5


def test_progress(capsys):
    evaluate(verbose=1, batch_size=4)
    shown = capsys.readouterr().out
    assert "24/24" in shown
    assert f"robust_accuracy: {(DISTANCES > 0.1).mean():.4f}" in shown
    evaluate()
    assert capsys.readouterr().out == ""


def moves_by_a_quarter(model, images, labels):
    return images + np.where(labels == 1, -0.25, 0.25)[:, None, None, None]


def test_a_fall_at_the_radius_itself_counts():
    # Exact in binary: the change is the radius to the last bit.
    images = np.full((2, 4, 4, 3), 0.375, "float32")
    images[1] = 0.625
    report = evaluate(
        x=images, y=[0, 1], attacks={"mine": moves_by_a_quarter}, epsilons=0.25
    )
    assert report.per_sample["mine_distance"].tolist() == [0.25, 0.25]
    assert report.per_sample["robust@0.25"].tolist() == [False, False]
    assert report.per_sample["mine_success@0.25"].tolist() == [True, True]
    assert report.robust_accuracy[0.25] == 0.0
