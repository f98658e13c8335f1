"""Preservation of the maps of random combinations of the logits."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attention.class_choice import random_weights
from keras_attn_defense.losses import AdversarialCrossentropy
from keras_attn_defense.losses import PreservationLoss
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import last
from tests.testing import few_everywhere
from tests.testing import to_numpy

X, Y = data(8)


def make(score="random", **kwargs):
    return kad.AttentionDefendedModel(
        networks.functional(scale=2.0),
        kad.attacks.FGSM(0.1, seed=2),
        kad.attention.HiResCAM(normalization="signed", score=score),
        rectification_weight=0.0,
        preservation_loss=PreservationLoss("l1"),
        validation_attack=None,
        **{"robust_loss": AdversarialCrossentropy(), **kwargs},
    )


def trained(model, rate=0.0):
    model.compile(keras.optimizers.SGD(rate))
    return last(model.fit(X, Y, batch_size=8, shuffle=False, verbose=0))


def drawn(model):
    """What a step draws for its noise and its scores, in this order."""
    state = model.attack.seed_generator.state
    start = to_numpy(state)
    found = model._further(ops.convert_to_tensor(X), None)
    state.assign(start)
    return to_numpy(found["noisy"])[1::2], to_numpy(found["score_weights"])


def test_weights_are_as_long_as_those_of_a_margin_and_sum_to_zero():
    seed = keras.random.SeedGenerator(0)
    weights = to_numpy(random_weights(500, 5, seed))
    np.testing.assert_allclose(np.square(weights).sum(-1), 2.0, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(-1), 0.0, atol=1e-5)
    # No class is preferred: the mean of squares is 2/5 for each.
    np.testing.assert_allclose(np.square(weights).mean(0), 0.4, atol=0.06)
    assert np.abs(weights.mean(0)).max() < 0.12


def test_of_two_classes_the_margin_is_left():
    weights = to_numpy(random_weights(20, 2, keras.random.SeedGenerator(0)))
    np.testing.assert_allclose(np.abs(weights), 1.0, rtol=1e-5)


def test_both_maps_are_of_the_combination_that_was_drawn():
    model = make(preservation_pair="noise", preservation_weight=0.5)
    noisy, weights = drawn(model)
    signed = kad.attention.HiResCAM(normalization="signed", model=model.base)

    def combined(x):
        maps = [
            to_numpy(signed(x, np.full(len(x), label)))
            for label in range(networks.NUM_CLASSES)
        ]
        return np.einsum("bk,kbij->bij", weights, np.stack(maps))

    expected = np.abs(combined(X) - combined(noisy)).sum((1, 2)).mean()
    assert expected > 1e-3
    logs = trained(model)
    assert logs["preservation_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("statistics", few_everywhere(["apart", "mixed"], 1))
def test_clean_and_adversarial_images_share_it(statistics):
    """A smaller radius leaves nearly equal maps of one combination."""
    model = make(
        batch_statistics=statistics,
        robust_loss=kad.losses.TRADES(),
        preservation_weight=1.0,
    )
    far = trained(model)["preservation_loss"]
    model.attack = kad.attacks.FGSM(5e-4, seed=2)
    assert 0 < trained(model)["preservation_loss"] < 0.02 * far


def test_each_step_draws_anew_and_training_lowers_the_distance():
    model = make(preservation_pair="noise", preservation_weight=1.0)
    model.classification_weight = 0.0
    model.compile(keras.optimizers.SGD(0.0))
    logs = model.fit(X, Y, 8, epochs=4, shuffle=False, verbose=0).history
    start = logs["preservation_loss"]
    assert np.std(start) > 0.02 * np.mean(start)
    model.optimizer.learning_rate = 0.02
    logs = model.fit(X, Y, 8, epochs=12, shuffle=False, verbose=0).history
    assert np.mean(logs["preservation_loss"][-4:]) < 0.8 * np.mean(start)


def test_whoever_asks_for_one_map_gets_that_of_the_logit():
    base = networks.functional()
    maps = [
        to_numpy(kad.attention.HiResCAM(score=score, model=base)(X, Y))
        for score in ("random", "logit")
    ]
    np.testing.assert_array_equal(*maps)
    copy = kad.attention.HiResCAM.from_config(
        kad.attention.HiResCAM(score="random").get_config()
    )
    assert copy.score == "random"


def test_a_mask_of_it_is_refused():
    attention = kad.attention.HiResCAM(score="random")
    with pytest.raises(ValueError, match="no area that is worth hiding"):
        kad.AttentionDefendedModel(
            networks.functional(), attention=attention, rectification_weight=1
        )
