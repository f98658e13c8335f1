"""Preservation between an image and a noisy one; GradAlign is such a case."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense._backend import vjp
from keras_attn_defense.losses import AdversarialCrossentropy
from keras_attn_defense.losses import PreservationLoss
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import flat_weights
from tests.models.helpers import last
from tests.testing import to_numpy

X, Y = data(8)
RANDOM = np.random.default_rng(0)


def grad_align(weight=1.0, base=None, **kwargs):
    """GradAlign, out of the parts of this library."""
    return kad.AttentionDefendedModel(
        networks.functional() if base is None else base,
        kad.attacks.FGSM(0.1, seed=2),
        kad.attention.InputGradients(
            None, score="loss", normalization="signed"
        ),
        robust_loss=AdversarialCrossentropy(),
        rectification_weight=0.0,
        preservation_weight=weight,
        preservation_loss=PreservationLoss("cosine", stop_gradient="clean"),
        preservation_pair="noise",
        validation_attack=None,
        **kwargs,
    )


def loss_gradients(model, x, y):
    """The gradients of the mean cross-entropy, as the published code has it."""

    def loss(x):
        z = ops.log_softmax(model(x, training=True), axis=-1)
        picked = ops.sum(z * ops.one_hot(y, z.shape[-1]), axis=-1)
        return -ops.reshape(ops.mean(picked), (1, 1))

    outputs, pullback = vjp(loss, ops.convert_to_tensor(x))
    return pullback(ops.ones_like(outputs))


def published(model, x, noisy, y, first=None):
    """`1 - cos` of both gradients, averaged over images (GradAlign, eq. 4)."""
    if first is None:
        first = ops.stop_gradient(loss_gradients(model, x, y))
    second = loss_gradients(model, noisy, y)
    first, second = (ops.reshape(g, (len(x), -1)) for g in (first, second))
    norms = ops.sqrt(ops.sum(first**2, -1)) * ops.sqrt(ops.sum(second**2, -1))
    return 1.0 - ops.mean(ops.sum(first * second, -1) / norms)


def test_the_value_is_that_of_grad_align():
    model = grad_align(base=networks.functional(scale=2.0))
    model.compile(keras.optimizers.SGD(0.0))
    state = model.attack.seed_generator.state
    start = to_numpy(state)
    noisy = model._noisy(ops.convert_to_tensor(X))
    change = to_numpy(noisy) - X
    assert 0.08 < np.abs(change).max() <= 0.1 + 1e-6
    state.assign(start)
    logs = last(model.fit(X, Y, batch_size=8, shuffle=False, verbose=0))
    expected = to_numpy(published(model.base, X, noisy, Y))
    assert expected > 1e-3
    assert logs["preservation_loss"] == pytest.approx(float(expected), rel=1e-3)


def test_the_gradient_is_that_of_grad_align():
    """By finite differences along it, with the clean side held constant."""
    model = grad_align(
        base=networks.functional(scale=4.0), classification_weight=0.0
    )
    model.compile(keras.optimizers.SGD(1.0))
    state = model.attack.seed_generator.state
    start = to_numpy(state)
    noisy = model._noisy(ops.convert_to_tensor(X))
    state.assign(start)
    weights = model.base.get_weights()
    constant = ops.convert_to_tensor(to_numpy(loss_gradients(model.base, X, Y)))
    model.fit(X, Y, batch_size=8, shuffle=False, verbose=0)
    pairs = zip(weights, model.base.get_weights(), strict=True)
    gradients = [before - after for before, after in pairs]

    def value(step):
        moved = zip(weights, gradients, strict=True)
        model.base.set_weights([w + step * g for w, g in moved])
        loss = published(model.base, X, noisy, Y, constant)
        return float(to_numpy(loss))

    squared_length = sum(np.sum(g**2) for g in gradients)
    assert squared_length > 0.1
    step = 0.005 / squared_length
    slope = (value(step) - value(-step)) / (2 * step)
    assert slope == pytest.approx(squared_length, rel=5e-3)


def test_noise_is_not_clipped():
    """Nor is it in the published code of GradAlign and ELLE."""
    model = grad_align()
    noisy = to_numpy(model._noisy(ops.ones(X.shape)))
    assert 1.09 < noisy.max() <= 1.1 + 1e-6
    assert noisy.mean() == pytest.approx(1.0, abs=0.01)


def test_logit_pairing_is_a_map_of_one_cell():
    """A map with one position and channel a class, as a user writes it."""

    class Logits(kad.attention.AttentionMethod):
        def explain(self, classifier, images, labels=None, training=False):
            logits, predictions = classifier(images, training=training)
            return logits, logits[:, None, None, :], predictions

    def run(**kwargs):
        model = kad.AttentionDefendedModel(
            networks.functional(),
            kad.attacks.FGSM(0.1),
            validation_attack=None,
            rectification_weight=0.0,
            **kwargs,
        )
        model.compile(keras.optimizers.SGD(0.1))
        logs = last(model.fit(X, Y, 8, shuffle=False, verbose=0))
        return logs["loss"], flat_weights(model.base)

    pairing = run(
        robust_loss=kad.losses.LogitPairing(0.5), preservation_weight=0.0
    )
    maps = run(
        robust_loss=AdversarialCrossentropy(),
        attention=Logits(normalization="signed"),
        preservation_loss=PreservationLoss("squared_error"),
        preservation_weight=0.5 / networks.NUM_CLASSES,
    )
    assert maps[0] == pytest.approx(pairing[0], rel=1e-5)
    np.testing.assert_allclose(maps[1], pairing[1], atol=1e-6)


def test_both_images_of_a_pair_are_compared_in_one_margin():
    attention = kad.attention.HiResCAM(normalization="signed", score="margin")
    model = kad.AttentionDefendedModel(
        networks.functional(scale=2.0),
        kad.attacks.PGD(0.3, steps=5),
        attention,
        rectification_weight=0.0,
        preservation_loss=PreservationLoss("l1"),
        validation_attack=None,
    )
    model.compile(keras.optimizers.SGD(0.0))
    state = model.attack.seed_generator.state
    start = to_numpy(state)
    x_adv = to_numpy(model.craft(X, Y))
    state.assign(start)
    logs = last(model.fit(X, Y, batch_size=8, shuffle=False, verbose=0))

    plain = kad.attention.HiResCAM(normalization="signed", model=model.base)
    logits = to_numpy(model.classifier.logits(X))
    others = np.where(np.eye(4)[Y], -np.inf, logits).argmax(-1)
    moved = to_numpy(model.classifier.logits(x_adv))
    strongest = np.where(np.eye(4)[Y], -np.inf, moved).argmax(-1)
    assert (others != strongest).any()
    maps = [
        to_numpy(plain(x, Y)) - to_numpy(plain(x, others)) for x in (X, x_adv)
    ]
    expected = np.abs(maps[0] - maps[1]).sum((1, 2)).mean()
    assert logs["preservation_loss"] == pytest.approx(expected, rel=1e-4)


def test_saved_and_set_between_fits(tmp_path):
    model = grad_align()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.preservation_pair == "noise"
    assert loaded.preservation_loss.stop_gradient == "clean"
    assert loaded.attention.reduction is None
    noise = last(loaded.fit(X, Y, verbose=0))["preservation_loss"]
    loaded.base.set_weights(model.base.get_weights())
    loaded.preservation_pair = "adversarial"
    moved = last(loaded.fit(X, Y, verbose=0))["preservation_loss"]
    assert noise != pytest.approx(moved, rel=1e-2)


@pytest.mark.parametrize(
    "kwargs, match",
    [
        ({"preservation_pair": "random"}, "`preservation_pair` should be"),
        (
            {
                "preservation_pair": "noise",
                "attack": kad.attacks.DeepFool(),
            },
            "Give it an epsilon",
        ),
        (
            {
                "preservation_pair": "noise",
                "attack": kad.attacks.FMN(5, norm="l0"),
                "validation_attack": None,
            },
            "Give the attack another norm",
        ),
        (
            {"attack": kad.attacks.FMN(5, norm="l0")},
            "Pass a `validation_attack`",
        ),
    ],
)
def test_bad_input(kwargs, match):
    with pytest.raises(ValueError, match=match):
        kad.AttentionDefendedModel(networks.functional(), **kwargs)
    with pytest.raises(ValueError, match="`stop_gradient` should be"):
        PreservationLoss(stop_gradient="both")


@pytest.mark.parametrize("scale", [1.0, 1e-18, 1e18])
def test_cosine_of_any_scale_and_of_nothing(scale):
    first, second = RANDOM.normal(size=(2, 3, 4, 4)).astype("float32")
    second[2] = 0.0
    loss = PreservationLoss("cosine")
    actual = to_numpy(
        loss.call(*map(ops.convert_to_tensor, (first * scale, second)))
    )
    flat = [m.reshape(3, -1).astype("float64") for m in (first, second)]
    product = (flat[0] * flat[1]).sum(-1)
    lengths = np.prod([np.linalg.norm(m, axis=-1) for m in flat], axis=0)
    cosines = product[:2] / lengths[:2]
    np.testing.assert_allclose(actual, [*(1 - cosines), 0], atol=1e-5)
