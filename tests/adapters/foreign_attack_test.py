"""Tests of foreign attacks in `evaluate_robustness`, in closed form."""

import random
import sys

import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from tests.evaluation.helpers import DISTANCES
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import evaluate
from tests.testing import to_numpy

pytestmark = pytest.mark.once


def darken(model, images, labels, epsilon):
    """Succeeds on bright images within epsilon of the boundary."""
    return images - np.float32(epsilon)


def lighten(model, images, labels):
    """Succeeds on dark images within 0.1, if the radius is at least 0.1."""
    return images + np.float32(0.1)


class Darken:
    """An attack of a library: an object with settings."""

    def __init__(self, epsilon, **settings):
        self.epsilon = epsilon
        vars(self).update(settings)

    def run(self, images, labels):
        return images - np.float32(self.epsilon)


def foreign(built=Darken, **arguments):
    """Adapts `built` as the adapters do, without a library."""

    def connect(logits, value_range):
        def at_radius(epsilon):
            attack = built(epsilon)
            return attack, attack.run

        return at_radius

    return kad.adapters.ForeignAttack(connect, **arguments)


@pytest.mark.everywhere
def test_worst_case_over_ours_and_theirs():
    report = evaluate(
        attacks=[darken, lighten, FGSM(), darken],
        epsilons=[0.06, 0.1, 0.15],
        batch_size=5,
        keep_images=True,
    )

    assert [line.attack for line in report.rows[1:6]] == [
        "darken",
        "lighten",
        "fgsm",
        "darken-2",
        "worst case",
    ]
    samples, bright = report.per_sample, LABELS == 1
    for epsilon in (0.06, 0.1, 0.15):
        near = DISTANCES < epsilon
        expected = {
            "darken": near & bright,
            "lighten": (DISTANCES < 0.1) & ~bright & (epsilon >= 0.1),
            "fgsm": near,
        }
        for name, fallen in expected.items():
            success = samples[f"{name}_success@{epsilon:g}"]
            np.testing.assert_array_equal(success, fallen)
        np.testing.assert_array_equal(samples[f"robust@{epsilon:g}"], ~near)
    changed = report.images["darken@0.1"] - IMAGES
    largest = np.where(bright & (DISTANCES < 0.06), -0.06, -0.1)
    np.testing.assert_allclose(changed.min(axis=(1, 2, 3)), largest, rtol=1e-4)


def test_theirs_adds_to_ours_and_is_described():
    report = evaluate(
        attacks={"theirs": foreign(), "ours": FGSM(0.02)},
        epsilons=0.1,
    )

    config = report.to_dict()["attacks"]["theirs"]
    assert config["tool"] == {
        "attack": "tests.adapters.foreign_attack_test.Darken",
        "version": None,
        "settings": {"epsilon": 0.1},
    }
    assert (config["class"], config["norm"]) == ("ForeignAttack", "linf")


def test_built_once_a_radius_and_kept_between_batches():
    built, batches = [], []

    class Counted(Darken):
        def __init__(self, epsilon):
            super().__init__(epsilon)
            built.append(epsilon)

        def run(self, images, labels):
            batches.append(len(images))
            return super().run(images, labels)

    evaluate(attacks=foreign(Counted), epsilons=[0.05, 0.1], batch_size=2)

    assert built == [0.05, 0.1]
    # 24 images in blocks of 8; images on which the attack succeeded at the
    # smaller radius are left out.
    assert len(batches) > 20 and max(batches) == 2


@pytest.mark.parametrize(
    "attack, message",
    [
        (lambda m, x, y, epsilon: x - 1.01 * epsilon, "left the linf ball"),
        (lambda m, x, y, epsilon: x * 0 - 0.01, "left the value range"),
        (lambda m, x, y: x * np.nan, "returned NaN"),
        (lambda m, x, y: x[:1], "returned images of shape"),
        (foreign(lambda e: Darken(e, targeted=True)), "is targeted"),
        (foreign(lambda e: Darken(e, norm="L2")), "for the norm 'l2'"),
        (foreign(lambda e: Darken(e, norm=2)), "for the norm 'l2'"),
        (foreign(norm="l2"), "is for the norm 'l2'"),
        (foreign(value_range=(0, 255)), "value_range"),
        (Darken, "adapted by `kad.adapters`"),
    ],
)
def test_refuses(attack, message):
    with pytest.raises(ValueError, match=message):
        evaluate(attacks=[attack])


@pytest.mark.parametrize(
    "settings",
    [
        {"norm": np.inf},
        {"norm": "inf"},
        {"norm": "Linf"},
        {"targeted": True, "attack_mode": "targeted(least-likely)"},
    ],
)
def test_accepts(settings):
    report = evaluate(attacks=foreign(lambda e: Darken(e, **settings)))

    near = (DISTANCES < 0.1) & (LABELS == 1)
    assert report.robust_accuracy[0.1] == 1 - near.mean()


def test_resumes_and_notices_other_settings(tmp_path):
    path, runs = tmp_path / "state.npz", tmp_path / "runs"

    class Noisy(Darken):
        def run(self, images, labels):
            # No variable, whose value would make it another attack.
            with runs.open("a") as file:
                file.write("x")
            noise = np.random.uniform(-self.epsilon, 0, images.shape)
            return (images + noise).astype("float32")

    def again(**settings):
        attack = foreign(lambda e: Noisy(e, **settings))
        return evaluate(
            attacks=attack, state=path, batch_size=2, keep_images=True
        ).images["foreign@0.1"]

    first = again(steps=3)
    count = runs.stat().st_size
    np.testing.assert_array_equal(again(steps=3), first)
    # Only what tells one attack from another was run.
    probes = runs.stat().st_size - count
    assert 2 * probes < count

    path.unlink()
    np.testing.assert_array_equal(again(steps=3), first)
    assert runs.stat().st_size == 2 * count + probes
    with pytest.raises(ValueError, match="belongs to another evaluation"):
        again(steps=4)


def test_leaves_global_random_numbers_as_they_were():
    def draws():
        return random.random(), np.random.uniform()

    attack = kad.adapters.from_function(
        lambda model, x, y: x + 0 * draws()[0], name="drawing"
    )
    model = brightness()  # Keras, too, draws from them for its seeds.

    random.seed(1)
    np.random.seed(1)
    expected = draws()
    random.seed(1)
    np.random.seed(1)
    attack(model, IMAGES, LABELS)

    assert draws() == expected


def test_alone():
    model = brightness()
    attack = kad.adapters.from_function(darken, 0.03, name="mine")

    x_adv = to_numpy(attack(model, IMAGES, LABELS))
    np.testing.assert_allclose(x_adv, IMAGES - 0.03, rtol=1e-6)
    x_adv = to_numpy(attack.with_epsilon(None)(model, IMAGES, LABELS))
    np.testing.assert_allclose(x_adv, IMAGES - 8 / 255, rtol=1e-6)
    assert attack.label == "mine"


def test_functions_get_the_model_or_its_view():
    seen = []

    def look(model, images, labels):
        seen.append(model)
        return images

    model = brightness()
    view = kad.attacks.BPDA(model, lambda x: x)
    attack = kad.adapters.from_function(look)
    for victim in (model, view):
        attack(victim, IMAGES, LABELS)

    assert seen == [model, view]


def test_cannot_train_or_be_saved():
    attack = foreign(name="theirs")

    with pytest.raises(ValueError, match="cannot be part of a training step"):
        attack.perturb(None, None, None, None)
    with pytest.raises(ValueError, match="Build it again"):
        type(attack).from_config(attack.get_config())


@pytest.mark.parametrize(
    "module, build",
    [
        ("art", lambda: kad.adapters.from_art(None)),
        ("foolbox", lambda: kad.adapters.to_foolbox(brightness())),
    ],
)
def test_says_what_to_install(monkeypatch, module, build):
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("art", "foolbox"):
        adapter = sys.modules[f"keras_attn_defense.adapters.{name}"]
        for cached in ("_classifier_class", "_model_class"):
            if hasattr(adapter, cached):
                getattr(adapter, cached).cache_clear()

    with pytest.raises(ImportError, match=r"pip install .*\[adapters\]"):
        build()
