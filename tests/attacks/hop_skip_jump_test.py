"""Tests of HopSkipJump against a closed form and Foolbox."""

import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import HopSkipJump
from tests import networks
from tests.testing import perturbation_size
from tests.testing import run_config_test
from tests.testing import to_numpy
from tests.torch_oracles import as_torch
from tests.torch_oracles import channels_first_module

pytestmark = pytest.mark.once

# Four images of 16 values, two on each side of a plane; a power of two, so that
# JAX compiles for few sizes.
GENERATOR = np.random.default_rng(0)
SLOPE = GENERATOR.normal(size=16).astype("float32")
X = GENERATOR.uniform(0.35, 0.65, (4, 4, 4, 1)).astype("float32")
BIAS = float(np.median(X.reshape(4, 16) @ SLOPE))
GAP = X.reshape(4, 16) @ SLOPE - BIAS
Y = (GAP > 0).astype("int32")
DUAL = {"l2": 2, "linf": 1}


def plane(images):
    """Answers with a class alone, a one-hot vector."""
    flat = ops.reshape(images, (-1, 16))
    value = ops.sum(flat * ops.convert_to_tensor(SLOPE), axis=-1) - BIAS
    return ops.one_hot(ops.cast(value > 0, "int32"), 2, dtype="float32")


def predicted(model, x):
    return to_numpy(model(x)).argmax(-1).astype("int32")


@pytest.mark.everywhere
@pytest.mark.parametrize("norm, error", [("l2", 0.1), ("linf", 0.2)])
def test_distance_to_a_plane(norm, error):
    nearest = abs(GAP) / np.linalg.norm(SLOPE, ord=DUAL[norm])

    attack = HopSkipJump(queries=400, initial_samples=20, norm=norm, seed=0)
    result = attack.run(plane, X, Y)

    assert (predicted(plane, result.images) != Y).all()
    sizes = perturbation_size(result.images, X, norm)
    assert (sizes > nearest * (1 - 1e-4)).all()
    assert np.mean(sizes / nearest) < 1 + error
    np.testing.assert_array_equal(result.forward_passes, 2 + 400)
    np.testing.assert_array_equal(result.backward_passes, 0)


def test_more_queries_are_never_farther():
    sizes = [
        perturbation_size(
            HopSkipJump(queries=queries, initial_samples=10, seed=0)
            .run(plane, X, Y)
            .images,
            X,
            "l2",
        )
        for queries in (15, 30, 60)
    ]

    assert (np.diff(sizes, axis=0) <= 0).all()
    assert (sizes[-1] < 0.8 * sizes[0]).all()


@pytest.mark.backend("torch")
@pytest.mark.parametrize("start, begins", [("image", 2), ("noise", 1)])
def test_each_query_is_counted(start, begins):
    seen = []

    def counted(images):
        seen.append(len(images))
        return plane(images)

    totals = []
    for queries in (10, 45):
        seen.clear()
        attack = HopSkipJump(queries=queries, start=start, seed=0)
        result = attack.run(counted, X, Y)
        np.testing.assert_array_equal(result.forward_passes, begins + queries)
        totals.append(sum(seen))
    # And the images that every attack tries a model on.
    assert totals[1] - totals[0] == 35 * len(X)


def test_seed():
    one, other, again = (
        HopSkipJump(queries=20, initial_samples=5, seed=seed)
        .run(plane, X, Y)
        .images
        for seed in (0, 1, 0)
    )

    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_starts_from_an_image_of_the_target():
    model = networks.functional(scale=2.0)
    # The first is so near to a boundary that rounding decides.
    x = networks.images_and_labels(9)[0][1:]
    found = predicted(model, x)
    targets = np.where(found == found[0], found[found != found[0]][0], found[0])

    def run(queries, start="image"):
        attack = HopSkipJump(
            queries=queries,
            start=start,
            initial_samples=10,
            targeted=True,
            seed=0,
        )
        return attack.run(model, x, targets.astype("int32")).images

    few, many = run(1), run(60)

    np.testing.assert_array_equal(predicted(model, few), targets)
    np.testing.assert_array_equal(predicted(model, many), targets)
    # It asks first for the very image of that class that is nearest.
    for image, target, start in zip(x, targets, few, strict=True):
        others = x[found == target]
        distances = np.square(others - image).sum((1, 2, 3))
        np.testing.assert_array_equal(start, others[distances.argmin()])
    sizes = [perturbation_size(each, x, "l2") for each in (few, many)]
    assert (sizes[1] < 0.8 * sizes[0]).all()


def test_noise_where_no_image_has_another_class():
    same = Y == 1

    attack = HopSkipJump(queries=200, initial_samples=20, seed=0)
    result = attack.run(plane, X[same], Y[same])

    assert (predicted(plane, result.images) == 0).all()
    sizes = perturbation_size(result.images, X[same], "l2")
    nearest = abs(GAP[same]) / np.linalg.norm(SLOPE)
    np.testing.assert_allclose(sizes, nearest, rtol=0.2)


def test_nothing_found_leaves_the_image():
    def certain(images):
        return ops.one_hot(ops.zeros_like(plane(images)[:, 0], "int32"), 2)

    result = HopSkipJump(queries=20, seed=0).run(certain, X, 0 * Y)

    np.testing.assert_array_equal(result.images, X)


def test_images_that_are_wrong_stay():
    result = HopSkipJump(queries=20, seed=0).run(plane, X, 1 - Y)

    np.testing.assert_array_equal(result.images, X)
    np.testing.assert_array_equal(result.forward_passes, 2)


def test_radius():
    nearest = abs(GAP) / np.linalg.norm(SLOPE)
    radius = float(np.sort(nearest)[1:3].mean())
    near = nearest < radius

    attack = HopSkipJump(radius, 40, initial_samples=10, seed=0)
    result = attack.run(plane, X, Y)

    sizes = perturbation_size(result.images, X, "l2")
    assert (sizes <= radius * (1 + 1e-5)).all()
    np.testing.assert_array_equal(predicted(plane, result.images) != Y, near)
    assert (result.forward_passes[near] < 42).all()
    np.testing.assert_array_equal(result.forward_passes[~near], 42)


def test_in_a_report():
    nearest = abs(GAP) / np.linalg.norm(SLOPE)

    report = kad.evaluate_robustness(
        plane,
        X,
        Y,
        attacks=HopSkipJump(queries=150, initial_samples=10),
        epsilons=[0.9 * nearest.min(), 1.3 * nearest.max()],
        norm="l2",
        checks=False,
        verbose=0,
    )

    assert list(report.robust_accuracy.values()) == [1.0, 0.0]
    distances = report.per_sample["hopskipjump_distance"]
    np.testing.assert_allclose(distances, nearest, rtol=0.2)


@pytest.mark.backend("torch")
def test_no_farther_than_foolbox_at_equal_queries():
    foolbox = pytest.importorskip("foolbox")
    import torch

    model = networks.functional(scale=2.0)
    x, _ = networks.images_and_labels(8)
    y = predicted(model, x)
    module = channels_first_module(model)
    calls = []
    module.register_forward_hook(lambda *_: calls.append(1))
    victim = foolbox.PyTorchModel(module, bounds=(0, 1))
    torch.manual_seed(0)
    np.random.seed(0)
    start = foolbox.attacks.LinearSearchBlendedUniformNoiseAttack(
        directions=5, steps=10
    )
    oracle = foolbox.attacks.HopSkipJumpAttack(
        steps=2, initial_gradient_eval_steps=20, init_attack=start
    )
    expected, _, _ = oracle(victim, *as_torch(x, y), epsilons=None)
    expected = to_numpy(expected).transpose(0, 2, 3, 1)

    attack = HopSkipJump(queries=len(calls) - 2, initial_samples=20, seed=0)
    x_adv = attack.run(model, x, y).images

    theirs, ours = (
        perturbation_size(each, x, "l2") for each in (expected, x_adv)
    )
    assert (predicted(model, x_adv) != y).all()
    assert np.median(ours / theirs) < 1.02


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"steps": 5}, "Pass `queries` in place of `steps`"),
        ({"queries": 0}, "`queries` should be a whole number"),
        ({"start": "zeros"}, "`start` should be 'image' or 'noise'"),
        ({"reach": 0.0}, "`reach` should be a number above 0"),
        ({"norm": "l1"}, "'l1'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        HopSkipJump(**arguments)


def test_config():
    run_config_test(
        HopSkipJump(
            0.1,
            7,
            start="noise",
            initial_samples=9,
            reach=0.1,
            norm="linf",
            restarts=2,
            seed=3,
        )
    )
