"""What Keras users type where the defended model takes parts."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import last

X, Y = data(4)


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
def largest_difference(clean, adversarial):
    return ops.max(ops.square(clean - adversarial), axis=(1, 2))


def minus_squares(whole, rest):
    return -ops.square(whole - rest)


def test_names_stand_for_attacks_and_methods():
    model = kad.AttentionDefendedModel(
        networks.sequential(),
        "fgsm",
        "layer-cam",
        validation_attack="pgd",
        rectification_loss="kl",
        preservation_loss="l1",
    )
    assert type(model.attack) is kad.attacks.FGSM
    assert type(model.validation_attack) is kad.attacks.PGD
    assert type(model.attention) is kad.attention.LayerCAM
    # With the settings of the default.
    assert (model.attention.normalization, model.attention.upsample) == (
        "l2",
        False,
    )
    assert model.rectification_loss.distance == "kl"
    assert model.preservation_loss.distance == "l1"


@pytest.mark.once
@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        largest_difference,
        keras.losses.MeanSquaredError(),
        lambda a, b: ops.mean(ops.square(a - b)),
    ],
)
def test_preservation_losses_of_keras_and_of_users(loss):
    model = kad.AttentionDefendedModel(
        networks.sequential(),
        "fgsm",
        validation_attack="fgsm",
        rectification_weight=0,
        preservation_loss=loss,
    )
    logs = model.evaluate(
        X, Y, sample_weight=np.ones(4), verbose=0, return_dict=True
    )
    clean, adversarial = (
        ops.convert_to_numpy(model.attention.explain(model.classifier, x, Y)[1])
        for x in (ops.convert_to_tensor(X), model.craft(X, Y))
    )
    squares = np.square(clean - adversarial)
    if loss is largest_difference:
        squares = squares.max((1, 2))
    expected = pytest.approx(squares.mean(), rel=1e-4)
    assert logs["preservation_loss"] == expected


def test_a_loss_of_a_user_is_saved_and_loaded(tmp_path):
    model = kad.AttentionDefendedModel(
        networks.sequential(), "fgsm", preservation_loss=largest_difference
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.preservation_loss.function is largest_difference


@pytest.mark.once
def test_a_rectification_loss_of_the_wrong_sign_is_warned_of():
    base = networks.sequential()
    for loss in (keras.losses.MeanSquaredError(), largest_difference_of_logits):
        with pytest.warns(UserWarning, match="should be minus a distance"):
            kad.AttentionDefendedModel(base, rectification_loss=loss)
    model = kad.AttentionDefendedModel(
        base, "fgsm", rectification_loss=minus_squares, validation_attack=None
    )
    logs = last(model.fit(X, Y, verbose=0))
    assert logs["rectification_loss"] < 0


def largest_difference_of_logits(whole, rest):
    return ops.max(ops.abs(whole - rest), axis=-1)


def test_numbers_of_numpy():
    model = kad.AttentionDefendedModel(
        networks.sequential(),
        classification_weight=np.float32(2),
        rectification_weight=np.int64(3),
        preservation_weight=np.float64(0.5),
    )
    weights = model.adaptive_objective.weights
    assert weights == (2.0, 3.0, 0.5)
    assert all(type(weight) is float for weight in weights)
