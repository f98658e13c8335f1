"""Adversarial weight perturbation: where the gradient is taken."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_attn_defense as kad
from keras_attn_defense.losses import AdversarialCrossentropy
from keras_attn_defense.models import AdversarialWeightPerturbation
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import last

X, Y = data(8)


def trained(perturbation, base=None, optimizer=None, epochs=1, **kwargs):
    model = kad.AttentionDefendedModel(
        networks.functional() if base is None else base,
        kad.attacks.FGSM(0.05),
        robust_loss=AdversarialCrossentropy(),
        weight_perturbation=perturbation,
        validation_attack=None,
        **{"rectification_weight": 0, "preservation_weight": 0, **kwargs},
    )
    model.compile(optimizer or keras.optimizers.SGD(1.0))
    history = model.fit(X, Y, 8, epochs, shuffle=False, verbose=0)
    return model, history.history


def gradients_at(weights, images, **kwargs):
    """The gradients of the loss on given adversarial images, by an SGD step."""
    base = networks.functional()
    base.set_weights(weights)
    base.compile(
        keras.optimizers.SGD(1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    base.fit(images, Y, 8, shuffle=False, verbose=0)
    pairs = zip(weights, base.get_weights(), strict=True)
    return [before - after for before, after in pairs]


@pytest.mark.parametrize("terms", [{}, {"preservation_weight": 1.0}])
def test_the_update_is_the_gradient_at_the_moved_weights(terms):
    gamma = 0.05
    start = networks.functional().get_weights()

    def gradients(weights, attacked_at):
        """Of all loss terms, with images that were crafted at `start`."""
        base = networks.functional()
        base.set_weights(attacked_at)
        x_adv = np.array(kad.attacks.FGSM(0.05)(base, X, Y))
        if not terms:
            return gradients_at(weights, x_adv)
        base.set_weights(weights)
        model = kad.AttentionDefendedModel(
            base,
            kad.attacks.FGSM(0.05),
            robust_loss=AdversarialCrossentropy(),
            rectification_weight=0,
            validation_attack=None,
            **terms,
        )
        model.compile(keras.optimizers.SGD(1.0))
        model._crafted = lambda *args: keras.ops.convert_to_tensor(x_adv)
        model.fit(X, Y, 8, shuffle=False, verbose=0)
        pairs = zip(weights, base.get_weights(), strict=True)
        return [before - after for before, after in pairs]

    first = gradients(start, start)
    moved = [
        w + gamma * np.linalg.norm(w) / np.linalg.norm(g) * g
        if w.ndim > 1
        else w
        for w, g in zip(start, first, strict=True)
    ]
    expected = gradients(moved, start)
    perturbation = AdversarialWeightPerturbation(gamma)
    model, _ = trained(perturbation, **terms)
    pairs = zip(start, model.base.get_weights(), strict=True)
    for want, (before, after), plain in zip(
        expected, pairs, first, strict=True
    ):
        np.testing.assert_allclose(before - after, want, atol=2e-5)
        if np.abs(plain).max() > 1e-3:
            assert np.abs(want - plain).max() > 1e-4


def test_gamma_of_zero_changes_nothing():
    plain, logs = trained(None, epochs=2)
    still, its_logs = trained(AdversarialWeightPerturbation(0.0), epochs=2)
    for name, values in logs.items():
        assert values == pytest.approx(its_logs[name], rel=1e-5)
    for own, its in zip(
        plain.base.get_weights(), still.base.get_weights(), strict=True
    ):
        np.testing.assert_allclose(own, its, atol=1e-6)


def test_statistics_and_metrics_see_the_batch_once():
    def network():
        base = keras.Sequential(
            [
                keras.Input(networks.IMAGE_SHAPE),
                layers.Conv2D(3, 3, name="conv"),
                layers.BatchNormalization(momentum=0.5, name="norm"),
                layers.Flatten(),
                layers.Dense(4),
            ]
        )
        return networks.set_weights(base, 3)

    frozen = keras.optimizers.SGD(0.0)
    model, logs = trained(
        AdversarialWeightPerturbation(1e-6), network(), frozen
    )
    plain, its_logs = trained(None, network(), keras.optimizers.SGD(0.0))
    assert logs["loss"] == pytest.approx(its_logs["loss"], rel=1e-4)
    for name in ("moving_mean", "moving_variance"):
        own, its = (
            keras.ops.convert_to_numpy(
                getattr(m.base.get_layer("norm"), name).value
            )
            for m in (model, plain)
        )
        np.testing.assert_allclose(own, its, rtol=1e-4, atol=1e-5)


def test_it_begins_at_its_epoch():
    perturbation = AdversarialWeightPerturbation(0.5, start_epoch=2)
    _, logs = trained(perturbation, epochs=4)
    _, plain = trained(None, epochs=4)
    # The loss of an epoch is that of the weights before its only update.
    same = np.isclose(logs["loss"], plain["loss"], rtol=1e-4)
    assert same[:2].all() and not same[2:].any()


def test_saved_and_loaded(tmp_path):
    model, _ = trained(AdversarialWeightPerturbation(0.01, start_epoch=3))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.weight_perturbation.get_config() == {
        "gamma": 0.01,
        "start_epoch": 3,
    }
    loaded.weight_perturbation = None
    assert np.isfinite(last(loaded.fit(X, Y, verbose=0))["loss"])


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: trained("awp"), "`kad.models.AdversarialWeightPerturbation`"),
        (lambda: AdversarialWeightPerturbation(-1.0), "`gamma` should be"),
        (
            lambda: AdversarialWeightPerturbation(start_epoch=1.5),
            "`start_epoch` should be",
        ),
    ],
)
def test_bad_input(make, match):
    with pytest.raises(ValueError, match=match):
        make()
