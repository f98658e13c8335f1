"""Tests of the attack on attention, against NumPy and the plain attack."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import AttentionAttack
from keras_attn_defense.attention import AttentionMask
from keras_attn_defense.attention import GradCAM
from tests import networks
from tests.testing import cross_entropy
from tests.testing import float64_enabled
from tests.testing import run_attack_test
from tests.testing import run_config_test
from tests.testing import to_numpy

pytestmark = pytest.mark.once

X, Y = networks.images_and_labels()
STILL = {"random_start": False}


@pytest.fixture(scope="module")
def model():
    return networks.functional()


def maps_of(model, images, labels=Y, upsample=False):
    method = GradCAM(normalization="max", upsample=upsample, model=model)
    return to_numpy(method(images, labels))


def areas_of(model, images, labels=Y, upsample=False):
    maps = maps_of(model, images, labels, upsample)
    return maps > 0.2 * maps.max((1, 2), keepdims=True)


def overlap(areas, others):
    return (areas & others).sum((1, 2)) / (areas | others).sum((1, 2))


@pytest.mark.everywhere
def test_contract():
    attack = AttentionAttack(
        0.2,
        steps=2,
        norm="l2",
        deviation_weight=0.1,
        schedule="linear",
        region="inside",
        stop_at_iou=0.3,
        **STILL,
    )

    run_attack_test(attack, networks.stateful(), X, Y, epsilon=0.2)


@pytest.mark.everywhere
def test_a_step_follows_finite_differences():
    # The authors' form; the first image, whose clean area is that of row 0.
    pixels = np.random.default_rng(0).choice(X[0].size, 40, replace=False)
    moves = 1e-5 * np.eye(X[0].size)[pixels].reshape(-1, *X.shape[1:])
    with float64_enabled():
        model = networks.functional(dtype="float64")
        images = X[:1] + np.concatenate([0 * moves[:1], moves, -moves])
        labels = np.full(len(images), Y[0])
        logits = to_numpy(model(ops.convert_to_tensor(images, "float64")))
        maps = maps_of(model, images, labels)
    deviation = abs((maps[0] > 0.2 * maps[0].max()) - maps).mean((1, 2))
    values = cross_entropy(logits, labels) + 10.0 * deviation
    slope = values[1:41] - values[41:]
    attack = AttentionAttack(
        0.1, 0.03, 1, objective="cross_entropy", form="area", **STILL
    )

    step = to_numpy(attack(networks.functional(), X, Y))[0] - X[0]

    clear = abs(slope) > 3e-3 * abs(slope).max()
    assert clear.sum() > 35
    expected = 0.03 * np.sign(slope)[clear]
    np.testing.assert_allclose(step.flat[pixels[clear]], expected, atol=1e-6)


def quadrants(num=48, seed=0):
    """Images with a bright quadrant, which is their class."""
    generator = np.random.default_rng(seed)
    images = generator.uniform(0.1, 0.5, (num, 8, 8, 3))
    labels = np.arange(num, dtype="int32") % 4
    for image, label in zip(images, labels, strict=True):
        row, column = 4 * (label // 2), 4 * (label % 2)
        image[row : row + 4, column : column + 4] += 0.4
    return images.astype("float32"), labels


def trained():
    """`functional`, its head fitted to the quadrants by least squares."""
    images, labels = quadrants()
    model = networks.functional()
    hidden = keras.Model(model.input, model.get_layer("hidden").output)
    features = to_numpy(hidden(images))
    features = np.c_[features, np.ones(len(features))]
    target = 12.0 * np.eye(4)[labels]
    weights = np.linalg.lstsq(features, target, rcond=None)[0]
    model.get_layer("head").set_weights([weights[:-1], weights[-1]])
    return model


def test_attention_deviates_further_than_under_pgd():
    model, (x, y) = trained(), quadrants(16, seed=1)
    assert (to_numpy(model(x)).argmax(-1) == y).mean() > 0.8
    arguments = {"epsilon": 0.05, "steps": 3, "seed": 0}
    method = GradCAM(normalization="l2", upsample=False, model=model)
    clean = to_numpy(method(x, y))

    def deviation(attack):
        moved = to_numpy(method(to_numpy(attack(model, x, y)), y))
        return ((clean - moved) ** 2).sum((1, 2))

    further = deviation(AttentionAttack(**arguments)) - deviation(
        PGD(**arguments, objective="margin")
    )
    assert (further > 0).mean() > 0.8 and further.mean() > 0.05


@pytest.mark.parametrize(
    "region, norm, epsilon", [("inside", "linf", 0.1), ("outside", "l1", 4.0)]
)
def test_region(model, region, norm, epsilon):
    attack = AttentionAttack(epsilon, steps=2, norm=norm, region=region, seed=0)

    change = to_numpy(attack(model, X, Y)) - X

    area = areas_of(model, X, upsample=True)
    assert 0.1 < area.mean() < 0.9
    chosen = area if region == "inside" else ~area
    np.testing.assert_array_equal(change[~chosen], 0.0)
    moved = (change[chosen] != 0).mean()
    assert moved > (0.02 if norm == "l1" else 0.95)


# Steps that never reach the border of the ball.
STEPS = {
    "epsilon": 0.3,
    "step_size": 0.03,
    "steps": 4,
    "objective": "cross_entropy",
    "form": "area",
    **STILL,
}


@pytest.fixture(scope="module")
def path(model):
    return AttentionAttack(**STEPS).trajectory(model, X, Y)


def test_images_stop_for_themselves(model, path):
    areas = [areas_of(model, images) for images in path]
    overlaps = np.array([overlap(areas[0], area) for area in areas])
    # Where some images stop early, some late or never.
    threshold = np.median(overlaps[1:])

    stopping = AttentionAttack(**STEPS, stop_at_iou=float(threshold))
    stopped = stopping.trajectory(model, X, Y)

    expected, ends = path.copy(), []
    for image in range(len(X)):
        below = np.flatnonzero(overlaps[:, image] <= threshold)
        ends.append(below[0] if len(below) else 4)
        expected[ends[-1] :, image] = path[ends[-1], image]
    assert len(set(ends)) > 1 and min(ends) < 4
    np.testing.assert_allclose(stopped, expected, rtol=0, atol=1e-6)


def first_step_only(step, steps):
    return ops.cast(step < steps - 3, "float32")


def test_schedule(model, path):
    arguments = {**STEPS, "schedule": first_step_only}

    scheduled = AttentionAttack(**arguments).trajectory(model, X, Y)

    # The first step has all of the deviation, the second has none.
    np.testing.assert_array_equal(scheduled[1], path[1])
    assert abs(scheduled[2] - path[2]).max() > 0.01
    plain = PGD(0.3, 0.03, steps=1, **STILL)
    moved = to_numpy(plain(model, scheduled[1], Y))
    assert (abs(moved - scheduled[2]) < 1e-6).mean() > 0.99


@pytest.mark.everywhere
def test_trains_in_a_step():
    base = networks.functional("softmax")
    attack = AttentionAttack(0.1, steps=1, **STILL)
    x_adv = to_numpy(attack(base, X, Y))
    expected = sum(
        -np.log(to_numpy(base(images))[np.arange(4), Y]).mean()
        for images in (X, x_adv)
    )
    defended = kad.AttentionDefendedModel(
        base, attack=attack, rectification_weight=0.0, preservation_weight=0.0
    )
    defended.compile("sgd", "sparse_categorical_crossentropy")

    history = defended.fit(X, Y, batch_size=4, verbose=0).history

    loss = history["classification_loss"][-1]
    np.testing.assert_allclose(float(loss), expected, rtol=1e-4)


def test_half_precision():
    types = ("mixed_float16", None)
    networks_of = (networks.functional(dtype=dtype) for dtype in types)
    attack = AttentionAttack(0.05, steps=1, **STILL)

    half, full = (to_numpy(attack(each, X, Y)) - X for each in networks_of)

    assert (abs(half) > 0.049).mean() > 0.98
    assert (np.sign(half) == np.sign(full)).mean() > 0.85


def test_in_an_evaluation(model):
    attack = AttentionAttack(0.1, steps=1, **STILL)
    labels = to_numpy(model(X)).argmax(-1)
    held = to_numpy(model(attack(model, X, labels))).argmax(-1) == labels

    report = kad.evaluate_robustness(
        model, X, labels, attacks=attack, checks=False, verbose=0
    )

    line = next(line for line in report.rows if line.attack != "clean")
    assert line.accuracy == held.mean()
    assert (line.forward_passes, line.backward_passes) == (1, 2)


def test_config():
    attack = kad.attacks.get(
        "attention",
        8 / 255,
        deviation_weight=3.0,
        objective="dlr",
        form="area",
        schedule="cosine",
        region="inside",
        stop_at_iou=0.5,
        attention=GradCAM(normalization="softmax"),
        mask=AttentionMask("quantile", 0.7),
    )
    loaded = run_config_test(attack)
    assert loaded.objective.mask.threshold == "quantile"
    assert loaded.objective.objective.__class__.__name__ == "DLR"
    config = AttentionAttack().get_config()
    assert config["objective"] == "margin"
    assert config["deviation_weight"] == 10.0


def test_bad_input(model):
    with pytest.raises(ValueError, match="'inside' or 'outside'.*'edge'"):
        AttentionAttack(region="edge")
    with pytest.raises(ValueError, match="'cosine', 'linear'.*'sine'"):
        AttentionAttack(schedule="sine")
    with pytest.raises(ValueError, match="no gradient.*random_start=True"):
        AttentionAttack(objective=None, random_start=False)
    with pytest.raises(ValueError, match="cannot be targeted"):
        AttentionAttack(targeted=True)
    with pytest.raises(ValueError, match="mode='hard'"):
        AttentionAttack(region="inside", mask=AttentionMask(mode="soft"))
    with pytest.raises(ValueError, match="reads attention.*function of images"):
        AttentionAttack()(lambda images: ops.mean(images, (1, 2)), X, Y)
    occlusion = AttentionAttack(attention=kad.attention.Occlusion())
    with pytest.raises(ValueError, match="no gradient flows"):
        occlusion(model, X, Y)
