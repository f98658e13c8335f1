"""Purifiers: they learn in one call, are saved, and are attacked through."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense import defenses
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.defenses.super_resolution import shrunk
from tests import networks
from tests.defenses.helpers import worth
from tests.evaluation import fake_defenses
from tests.testing import assert_same_state
from tests.testing import few_everywhere
from tests.testing import run_config_test
from tests.testing import state
from tests.testing import to_numpy

PURIFIERS = {
    "ape_gan": lambda: defenses.APEGAN(4),
    "guided": lambda: defenses.GuidedDenoiser(4),
    "restore": lambda: defenses.CompressAndRestore(filters=4, draws=3, seed=1),
    "super_resolution": lambda: defenses.SuperResolution(0.08, 2, 8, 1),
}
X, Y = networks.images_and_labels(8, shape=(10, 7, 3))


def network_of_7x10():
    inputs = keras.Input((10, 7, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(4, activation="softmax")(x)
    return networks.set_weights(keras.Model(inputs, outputs))


def learn(purifier, network, x, y, **settings):
    if isinstance(purifier, (defenses.GuidedDenoiser, defenses.APEGAN)):
        return purifier.learn(network, x, y, **settings)
    settings.pop("attack", None)
    return purifier.learn(x, **settings)


@pytest.mark.parametrize("name", few_everywhere(list(PURIFIERS)))
def test_contract(name, tmp_path):
    keras.utils.set_random_seed(0)
    network = network_of_7x10()
    before = state(network)
    purifier = PURIFIERS[name]()
    run_config_test(purifier)
    attack = kad.attacks.FGSM(0.1)
    history = learn(
        purifier, network, X, Y, epochs=2, batch_size=4, attack=attack
    )
    (losses,) = history.values()
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert_same_state(before, state(network))

    model = defenses.defend(network, purifier)
    if name == "restore":  # What is random has drawn by now.
        purifier.jpeg.seed_generator.state.assign(
            keras.random.SeedGenerator(1).state.value
        )
    # Odd sides, and every weight, through a file.
    weights = purifier.network.get_weights()
    assert max(abs(w).max() for w in weights) > 0
    found = to_numpy(as_classifier(model).logits(ops.convert_to_tensor(X)))
    model.save(tmp_path / "purified.keras")
    loaded = keras.saving.load_model(tmp_path / "purified.keras")
    again = to_numpy(as_classifier(loaded).logits(ops.convert_to_tensor(X)))
    np.testing.assert_allclose(again, found, rtol=1e-4, atol=1e-5)
    assert to_numpy(purifier(X)).shape == X.shape

    x_adv = to_numpy(kad.attacks.PGD(0.05, steps=1)(model, X, Y))
    assert abs(x_adv - X).max() > 0.01


# Few images and epochs, so little is gained; see docs/defenses.md for more.
@pytest.mark.once
@pytest.mark.parametrize("name", PURIFIERS)
def test_helps_only_against_those_who_ignore_it(name, network, known):
    images, labels, found = known
    keras.utils.set_random_seed(0)
    train, _ = kad.datasets.load_digit_scenes(500, 10, image_size=24)
    purifier = PURIFIERS[name]()
    attack = kad.attacks.PGD(fake_defenses.EPSILON, steps=5, seed=0)
    losses = learn(
        purifier,
        network,
        train.images,
        train.labels,
        attack=attack,
        epochs=6,
        batch_size=16 if name == "ape_gan" else 64,
        learning_rate=3e-3,
    )["loss"]
    assert losses[-1] < losses[0]
    undefended = fake_defenses.right(network, found, labels, 1).mean()
    clean, ignored, adaptive = worth(
        purifier, network, images, labels, found, steps=10, restarts=1
    )
    assert clean > 0.75
    # Squared errors of pixels take longer to learn than logits.
    gain = 0.1 if name != "ape_gan" else -0.01
    assert ignored > undefended + gain
    assert adaptive <= undefended + 0.1


def test_denoiser_takes_off_what_its_network_says():
    purifier = defenses.GuidedDenoiser(4, value_range=(0, 255))
    purifier.build((None, 10, 7, 3))
    bias = purifier.network.weights[-1]
    same = to_numpy(purifier(255 * X))
    np.testing.assert_allclose(same, 255 * X, atol=1e-3)
    bias.assign([0.1, 0.0, -0.2])
    moved = to_numpy(purifier(255 * X)) - 255 * X
    np.testing.assert_allclose(
        moved, np.broadcast_to([-25.5, 0.0, 51.0], X.shape), atol=1e-2
    )


@pytest.mark.once
def test_wavelets_keep_what_is_large():
    generator = np.random.default_rng(0)
    rows = np.repeat(
        np.repeat(generator.uniform(size=(1, 3, 3, 2)), 4, 1), 4, 2
    )
    noise = generator.normal(0, 0.05, rows.shape)
    x = ops.convert_to_tensor((rows + noise).astype("float32"))
    # Nothing is lost without a threshold, whatever the sides.
    for part in (x, x[:, :11, :9], x[:, :1, :5]):
        same = to_numpy(shrunk(part, 1e-6, 3))
        np.testing.assert_allclose(same, to_numpy(part), atol=1e-5)
    clean = to_numpy(shrunk(x, 0.05, 2))
    error = ((clean - rows) ** 2).mean()
    assert error < 0.3 * (noise**2).mean()


@pytest.mark.once
def test_generator_and_discriminator_pull_both_ways():
    from keras_attn_defense.defenses.ape_gan import _Duel

    purifier = defenses.APEGAN(4, pixel_weight=0.0, adversarial_weight=0.5)
    purifier.build((None, 10, 7, 3))
    duel = _Duel(purifier, (10, 7, 3))
    pairs = {"adversarial": X, "clean": X[::-1].copy()}
    duel(pairs)
    for weight in duel.discriminator.weights:
        weight.assign(0.1 * np.ones(weight.shape))

    def said():
        restored = purifier.clean(ops.convert_to_tensor(X))
        z = to_numpy(duel.discriminator(restored))
        return float(np.log1p(np.exp(z)).mean())

    before = said()
    duel.compile(keras.optimizers.SGD(0.1))
    duel.discriminator.trainable = False
    duel.fit(pairs, epochs=1, verbose=0)
    # Its own step makes the generator look more like a clean image, which the
    # discriminator calls by a larger number.
    assert said() > before


@pytest.mark.once
def test_draws_of_a_restorer_are_those_of_its_compression():
    purifier = defenses.CompressAndRestore(draws=3)
    purifier.draws *= 3

    assert purifier.how_to_attack().draws == 9
    assert purifier.get_config()["draws"] == 9
    with pytest.raises(ValueError, match="draws"):
        purifier.draws = 0
