"""Each switch of the transfer attack, in NumPy and on models with a formula."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import EnsembleAttack
from keras_attn_defense.attacks import MomentumBIM
from keras_attn_defense.attacks import Task
from keras_attn_defense.attacks import TransferAttack
from keras_attn_defense.classifier import as_classifier
from tests import networks
from tests.attacks.tanh_network import X
from tests.attacks.tanh_network import Y
from tests.attacks.tanh_network import loss_gradient
from tests.attacks.tanh_network import tanh_network
from tests.testing import no_gradients
from tests.testing import run_config_test
from tests.testing import to_numpy

pytestmark = pytest.mark.once

NOISE = np.random.default_rng(5).uniform(-0.1, 0.1, X.shape)
PLAIN = {"step_size": 0.03, "steps": 3, "decay": 0.8}


@pytest.fixture(scope="module")
def model():
    return tanh_network()


def convolved(gradient, side):
    """By sums over places, with zeros outside."""
    line = np.exp(-0.5 * np.linspace(-3, 3, side) ** 2)
    kernel = np.outer(line, line) / np.outer(line, line).sum()
    half = side // 2
    padded = np.pad(gradient, [(0, 0), (half, half), (half, half), (0, 0)])
    height, width = gradient.shape[1:3]
    return sum(
        kernel[i, j] * padded[:, i : i + height, j : j + width]
        for i in range(side)
        for j in range(side)
    )


def expected_images(smoothing=1, scales=1, noise=None, nesterov=False):
    """Algorithm 1 of the papers, all switches together."""

    def gradient(x):
        mean = sum(loss_gradient(x / 2**i) / 2**i for i in range(scales))
        return convolved(mean / scales, smoothing)

    x, memory, correction = X.astype("float64"), 0.0, 0.0
    for _ in range(3):
        ahead = x + 0.03 * 0.8 * memory if nesterov else x
        now = gradient(ahead)
        corrected = now + correction
        size = abs(corrected).mean((1, 2, 3), keepdims=True)
        memory = 0.8 * memory + corrected / size
        if noise is not None:
            correction = gradient(ahead + noise) - now
        x = np.clip(x + 0.03 * np.sign(memory), X - 0.1, X + 0.1).clip(0, 1)
    return x


def crafted(model, **switches):
    attack = TransferAttack(0.1, **PLAIN, **{"diversity": 0, **switches})
    return to_numpy(attack(model, X, Y))


@pytest.mark.parametrize(
    "switches",
    [{}, {"smoothing": 3}, {"scales": 3}, {"nesterov": True}],
    ids=["none", "smoothing", "scales", "nesterov"],
)
def test_single_switches(model, switches):
    expected = expected_images(**switches)
    np.testing.assert_allclose(crafted(model, **switches), expected, atol=1e-6)
    if switches:  # Else the switch would show nothing.
        assert abs(expected - expected_images()).max() > 0.05


def test_all_off_is_momentum(model):
    expected = to_numpy(MomentumBIM(0.1, **PLAIN)(model, X, Y))
    np.testing.assert_array_equal(crafted(model), expected)
    # Neighbors at no distance have the same gradient.
    found = crafted(model, neighbors=2, neighborhood=0.0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.everywhere
def test_all_formulas_together(model, monkeypatch):
    attack = TransferAttack(
        0.1,
        **PLAIN,
        diversity=0,
        smoothing=3,
        scales=2,
        neighbors=2,
        nesterov=True,
    )
    radii = []

    def sample(shape, radius, seed):
        radii.append(radius)
        return ops.convert_to_tensor(NOISE, "float32")

    monkeypatch.setattr(attack.ball, "sample", sample, raising=False)
    found = to_numpy(attack(model, X, Y))

    expected = expected_images(3, 2, NOISE, True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert abs(expected - expected_images(3, 2, None, True)).max() > 0.05
    if keras.backend.backend() == "torch":
        np.testing.assert_allclose(radii, 0.15)


def gradient_of(attack, model, x, y, value_range=(0.0, 1.0)):
    """The gradient of the first step, and the victim of that draw."""
    victim = as_classifier(model).with_draw(0)
    tensors = [ops.convert_to_tensor(value) for value in (x, y)]
    task = Task(victim, *tensors, ops.convert_to_tensor(0.1), value_range)
    with no_gradients():
        return to_numpy(attack.gradient(task, task.images, {}, 0)), victim


@pytest.mark.everywhere
def test_diversity_goes_back_through_the_change():
    # The margin of a linear model without a bias: <x, gradient> is its value
    # at the changed image.
    model = networks.linear(classes=2)
    model.weights[1].assign([0.0, 0.0])
    x, y = networks.images_and_labels(6, classes=2)
    attack = TransferAttack(diversity=0.5, smallest=0.5, objective="margin")
    gradient, victim = gradient_of(attack, model, x, y)
    changed = to_numpy(attack._diversified(ops.convert_to_tensor(x), victim))

    logits = to_numpy(model(changed))
    other = np.take_along_axis(logits, 1 - y[:, None], -1)[:, 0]
    own = np.take_along_axis(logits, y[:, None], -1)[:, 0]
    np.testing.assert_allclose(
        (x * gradient).sum((1, 2, 3)), other - own, rtol=1e-3, atol=1e-5
    )
    assert 0 < (changed == x).all((1, 2, 3)).sum() < 6


def test_diversity_shrinks_some_images_each_its_own_way():
    attack = TransferAttack(diversity=0.4, smallest=0.5, seed=3)
    victim = as_classifier(networks.linear()).with_draw(0)
    white = ops.ones((300, 8, 8, 3))
    found = to_numpy(attack._diversified(white, victim))[..., 0]
    whole = (found == 1).all((1, 2))

    # An eighth of those that are shrunk have the whole side again.
    assert whole.mean() == pytest.approx(1 - 0.4 * 7 / 8, abs=0.08)
    heights, widths = ((found > 0.5).any(axis).sum(-1) for axis in (2, 1))
    np.testing.assert_array_equal(heights, widths)
    assert set(heights) == {4, 5, 6, 7, 8}
    other = to_numpy(attack._diversified(white, victim.with_draw(1)))[..., 0]
    assert (other != found).any()


def test_the_rest_is_the_lower_bound():
    seen = []
    dense = networks.linear()

    def model(x):
        seen.append(to_numpy(x))
        return dense(x)

    x, y = networks.images_and_labels(6)
    attack = TransferAttack(diversity=1.0, smallest=0.3, scales=2)
    gradient_of(attack, model, x, y, (-1.0, 1.0))

    first, second = seen[-2:]
    assert (first == -1.0).any() and (first >= -1.0).all()
    assert second.max() < 0.0 < first.max()  # Half as far from -1.


def test_variance_of_a_linear_model_is_none():
    model = networks.linear(classes=2)
    x, y = networks.images_and_labels(6, classes=2)
    shared = {"epsilon": 0.1, "steps": 3, "objective": "margin"}
    attack = TransferAttack(**shared, diversity=0, neighbors=3, seed=1)
    expected = to_numpy(MomentumBIM(**shared)(model, x, y))
    np.testing.assert_allclose(
        to_numpy(attack(model, x, y)), expected, atol=1e-6
    )


def test_neighbors_are_drawn_anew_and_a_seed_repeats_them(model):
    switches = {"neighbors": 2, "diversity": 0.5, "steps": 3}
    attack = TransferAttack(0.1, seed=7, **switches)
    first, second = (to_numpy(attack(model, X, Y)) for _ in range(2))
    again = to_numpy(TransferAttack(0.1, seed=7, **switches)(model, X, Y))

    assert (first != second).any()
    np.testing.assert_array_equal(first, again)
    path = TransferAttack(0.1, seed=7, **switches).trajectory(model, X, Y)
    np.testing.assert_allclose(path[-1], first, atol=1e-6)


def test_targeted_steps_are_those_down(model):
    arguments = {**PLAIN, "targeted": True}
    attack = TransferAttack(0.1, **arguments, diversity=0, neighbors=1)
    attack.neighborhood = 0.0
    expected = to_numpy(MomentumBIM(0.1, **arguments)(model, X, Y))
    np.testing.assert_array_equal(to_numpy(attack(model, X, Y)), expected)


def test_passes_and_transfer(model):
    attack = TransferAttack(0.1, steps=2, scales=3, neighbors=4)
    assert attack.passes_of_step(as_classifier(model)) == (15, 15)
    result = attack.run(model, X, Y)
    np.testing.assert_array_equal(result[1], 30)
    np.testing.assert_array_equal(result[2], 30)
    # Through another network, which is not asked.
    result = EnsembleAttack([model], attack).run(model, X, Y)
    assert not result[1].any() and not result[2].any()


def test_config():
    attack = TransferAttack(
        diversity=0.2,
        smallest=0.8,
        smoothing=5,
        scales=2,
        neighbors=3,
        neighborhood=1.0,
        nesterov=True,
        seed=4,
    )
    run_config_test(attack)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"diversity": 1.5}, "`diversity` should be a number from 0 to 1"),
        ({"smallest": 0.0}, "`smallest` should be a number above 0"),
        ({"smoothing": 4}, "`smoothing` should be an odd number.*Use 5"),
        ({"scales": 0}, "`scales` should be a whole number"),
        ({"neighbors": -1}, "`neighbors` should be a whole number"),
        ({"nesterov": True, "norm": "l2"}, "a step of the norm 'linf'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransferAttack(**arguments)
