"""Tests of schedules, which act inside compiled steps."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses import LabelCrossentropy
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended

pytestmark = pytest.mark.once


def test_strengths():
    schedule = kad.callbacks.DefenseSchedule(attack_warmup=2, epsilon_ramp=3)
    strengths = [schedule.attack_strength(epoch) for epoch in range(8)]
    assert strengths == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    default = kad.callbacks.DefenseSchedule()
    assert default.attack_strength(0) == 1.0


@pytest.mark.everywhere
def test_schedule_takes_effect_in_compiled_steps():
    x, y = data(8)
    base = networks.functional()
    model = defended(
        base, attack=kad.attacks.FGSM(32 / 255), preservation_weight=1000.0
    )
    model.compile(keras.optimizers.SGD(0.0), LabelCrossentropy(True))
    schedule = kad.callbacks.DefenseSchedule(
        attack_warmup=1, epsilon_ramp=1, attention_warmup=2
    )
    logs = model.fit(
        x, y, batch_size=8, epochs=4, callbacks=[schedule], verbose=0
    ).history

    # No attack: both images are the same. Then half of epsilon, then all.
    assert logs["preservation_loss"][0] == pytest.approx(0, abs=1e-10)
    ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for epoch, strength in enumerate([0.0, 0.5, 1.0, 1.0]):
        x_adv = kad.attacks.FGSM(32 / 255 * strength)(base, x, y)
        expected = ops.convert_to_numpy(ce(y, base(x)) + ce(y, base(x_adv)))
        actual = logs["classification_loss"][epoch]
        assert actual == pytest.approx(float(expected), rel=1e-4)
    # The attention losses count from the third epoch on.
    for epoch, counts in enumerate([0.0, 0.0, 1.0, 1.0]):
        expected = 0.5 * logs["classification_loss"][epoch] + counts * (
            0.25 * logs["rectification_loss"][epoch]
            + 1000 * logs["preservation_loss"][epoch]
        )
        assert logs["loss"][epoch] == pytest.approx(expected, rel=1e-4)
    assert float(ops.convert_to_numpy(model.attention_strength)) == 1.0
    assert np.abs(ops.convert_to_numpy(model.craft(x, y)) - x).max() > 0.12


def test_keras_callbacks_follow_robust_accuracy(tmp_path):
    x, y = data(8)
    model = defended(
        networks.sequential(), validation_attack=kad.attacks.FGSM(16 / 255)
    )
    path = tmp_path / "best.keras"
    history = model.fit(
        x,
        y,
        epochs=4,
        validation_data=(x, y),
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                path, monitor="val_robust_accuracy", mode="max"
            ),
            keras.callbacks.EarlyStopping(
                monitor="val_robust_accuracy",
                mode="max",
                patience=1,
                min_delta=2.0,
            ),
        ],
    ).history
    assert len(history["val_robust_accuracy"]) == 2  # Stopped for want of 2.
    loaded = keras.saving.load_model(path)
    assert isinstance(loaded, kad.AttentionDefendedModel)
    assert {"val_rectification_loss", "val_loss"} <= set(history)


@pytest.mark.parametrize(
    "name", ["attack_warmup", "epsilon_ramp", "attention_warmup"]
)
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=name):
        kad.callbacks.DefenseSchedule(**{name: -1})


def test_configuration():
    schedule = kad.callbacks.DefenseSchedule(1, 2, 3)
    again = kad.callbacks.DefenseSchedule.from_config(schedule.get_config())
    assert again.get_config() == schedule.get_config()


def test_a_model_without_a_defense():
    model = networks.sequential("softmax")
    model.compile("sgd", "sparse_categorical_crossentropy")
    schedule = kad.callbacks.DefenseSchedule(attack_warmup=np.int64(1))
    with pytest.raises(ValueError, match="kad.AttentionDefendedModel"):
        model.fit(*data(4), verbose=0, callbacks=[schedule])


def test_a_replaced_attack_is_scheduled_too():
    x, y = data(8)
    model = defended(networks.sequential(), preservation_weight=0)
    model.fit(x, y, verbose=0)
    model.attack = kad.attacks.FGSM(0.1)
    crafted = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: crafted.append(
            float(abs(ops.convert_to_numpy(model.craft(x, y)) - x).max())
        )
    )
    schedule = kad.callbacks.DefenseSchedule(attack_warmup=1)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[schedule, look])
    assert crafted == pytest.approx([0.0, 0.1], abs=1e-5)
