"""Tests of the epochs whose weights are saved."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from tests import networks
from tests.models.helpers import data


def one_weight():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


def train(checkpoint, robust, clean=None, model=None):
    """Runs the callback like `fit`; the bias is the number of the epoch."""
    model = model or one_weight()
    checkpoint.set_model(model)
    checkpoint.on_train_begin()
    for epoch, accuracy in enumerate(robust):
        checkpoint.on_epoch_begin(epoch)
        model.set_weights([np.zeros((1, 1)), np.array([epoch])])
        logs = {"val_robust_accuracy": accuracy}
        if clean is not None:
            logs["val_accuracy"] = clean[epoch]
        checkpoint.on_epoch_end(epoch, logs)
    checkpoint.on_train_end({})
    return model


def epoch_of(model):
    return float(model.get_weights()[1][0])


@pytest.mark.parametrize(
    "robust, clean, best",
    [
        ([0.1, 0.3, 0.2], [0.9, 0.5, 0.9], 1),  # Robustness counts first.
        ([0.1, 0.3, 0.3], [0.9, 0.5, 0.6], 2),  # Then clean accuracy.
        ([0.3, 0.3, 0.3], [0.5, 0.7, 0.6], 1),
        ([0.3, 0.3, 0.1], [0.6, 0.6, 0.9], 0),  # Then the first.
        ([0.0, 0.0], [0.0, 0.0], 0),
    ],
)
def test_best_epoch(tmp_path, robust, clean, best):
    path = tmp_path / "best.keras"
    checkpoint = kad.callbacks.RobustCheckpoint(path, restore_best_weights=True)
    model = train(checkpoint, robust, clean)
    assert epoch_of(keras.saving.load_model(path)) == best
    assert epoch_of(model) == best
    assert checkpoint.best_epoch == best
    assert checkpoint.best == (robust[best], clean[best])


def test_without_tie_break_and_restoring_weights_only(tmp_path):
    path = tmp_path / "{epoch}-{val_robust_accuracy:.1f}.weights.h5"
    checkpoint = kad.callbacks.RobustCheckpoint(
        path, tie_break=None, save_weights_only=True
    )
    model = train(checkpoint, [0.1, 0.3, 0.3, 0.2])
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "1-0.1.weights.h5",
        "2-0.3.weights.h5",
    ]
    assert epoch_of(model) == 3
    model.load_weights(tmp_path / "2-0.3.weights.h5")
    assert epoch_of(model) == 1


def test_epochs_that_were_not_measured_do_not_win_a_tie(tmp_path):
    path = tmp_path / "best.keras"
    robustness = kad.callbacks.RobustnessEvaluation(
        *data(8), FGSM(), name="val_robust_accuracy", every=2
    )
    checkpoint = kad.callbacks.RobustCheckpoint(path)
    model = networks.sequential()
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    seen, clean = [], [0.5, 0.6, 0.9, 0.6]

    class Clean(keras.callbacks.Callback):
        """Logs the clean accuracy of each epoch, and notes the best epoch."""

        def on_epoch_end(self, epoch, logs=None):
            logs["val_accuracy"] = clean[epoch]
            seen.append(checkpoint.best_epoch)

    model.fit(
        *data(8),
        epochs=4,
        verbose=0,
        callbacks=[robustness, Clean(), checkpoint],
    )
    # The third epoch has the highest clean accuracy, and no robust one.
    assert checkpoint.best_epoch == 1
    assert seen == [None, 0, 1, 1]
    assert path.exists()


def test_measurement_after_an_early_stop_counts(tmp_path):
    checkpoint = kad.callbacks.RobustCheckpoint(tmp_path / "best.keras")
    train(checkpoint, [0.1, 0.2], [0.5, 0.5])
    assert checkpoint.best_epoch == 1
    logs = {"val_robust_accuracy": 0.3, "val_accuracy": 0.1}
    checkpoint.on_epoch_begin(2)
    checkpoint.model.set_weights([np.zeros((1, 1)), np.array([2])])
    checkpoint.on_train_end(logs)
    assert checkpoint.best_epoch == 2
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    assert epoch_of(loaded) == 2


def test_missing_values_are_named(tmp_path):
    path = tmp_path / "best.keras"
    checkpoint = kad.callbacks.RobustCheckpoint(path)
    with pytest.raises(ValueError, match="'val_accuracy'.*validation_data"):
        train(checkpoint, [0.1])
    checkpoint = kad.callbacks.RobustCheckpoint(path, monitor="robust")
    with pytest.raises(ValueError, match="'robust'.*RobustnessEvaluation"):
        train(checkpoint, [0.1], [0.1])
    with pytest.raises(ValueError, match="keras"):
        kad.callbacks.RobustCheckpoint("best.txt")
    assert not path.exists()


def test_defended_model_in_fit(tmp_path):
    x, y = data(8)
    path = tmp_path / "best.keras"
    checkpoint = kad.callbacks.RobustCheckpoint(path, restore_best_weights=True)
    model = kad.AttentionDefendedModel(
        networks.sequential(), FGSM(0.02), validation_attack=FGSM(0.02)
    )
    model.compile("sgd", metrics=["accuracy"])
    history = model.fit(
        x,
        y,
        epochs=3,
        verbose=0,
        validation_data=(x, y),
        callbacks=[checkpoint],
    ).history
    pairs = list(
        zip(
            history["val_robust_accuracy"], history["val_accuracy"], strict=True
        )
    )
    assert checkpoint.best == max(pairs)
    assert checkpoint.best_epoch == pairs.index(max(pairs))
    loaded = keras.saving.load_model(path)
    for one, other in zip(
        loaded.base.get_weights(), model.base.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
