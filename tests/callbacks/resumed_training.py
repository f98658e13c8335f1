"""A small training of everything that has a state, for tests of `Resume`.

As a program it is killed: `python resumed_training.py FOLDER STEP` ends with
signal 9 after a step, counted over all epochs of this process.
"""

import os
import pathlib
import signal
import sys

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

EPOCHS = 4
STEPS = 4  # In each epoch: 14 images in batches of four.


def images(num, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(num, 8, 8, 3)).astype("float32")
    return x, rng.integers(0, 3, num)


def network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def compiled(model, loss=None, steps_per_execution=1):
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * STEPS),
        use_ema=True,
        ema_momentum=0.9,
        # What is summed when an epoch ends waits for the next one.
        gradient_accumulation_steps=3,
    )
    model.compile(
        optimizer,
        loss,
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    return model


def defended():
    """A model whose steps draw in attacks, augmentation and Dropout."""
    return compiled(
        kad.AttentionDefendedModel(
            network(),
            kad.attacks.PGD(steps=1),
            validation_attack=kad.attacks.FGSM(),
            augmentation=layers.RandomFlip(),
            # They draw nothing, and take time to compile.
            rectification_weight=0,
            preservation_weight=0,
        )
    )


def callbacks(folder):
    return [
        kad.callbacks.WeightAveraging(0.9),
        kad.callbacks.DefenseSchedule(epsilon_ramp=2),
        keras.callbacks.EarlyStopping("loss", patience=9),
        kad.callbacks.RobustCheckpoint(
            folder / "best.keras", restore_best_weights=True
        ),
        kad.callbacks.TrainingLog(folder / "log.jsonl"),
    ]


def train(model, folder, *others):
    """Trains, or goes on with what is in a folder; returns the history."""
    resume = kad.callbacks.Resume(folder / "state")
    return model.fit(
        *images(14),
        batch_size=4,
        epochs=EPOCHS,
        validation_data=images(8, seed=1),
        callbacks=[*callbacks(folder), resume, *others],
        verbose=0,
    )


class Kill(keras.callbacks.Callback):
    """Calls a function after a step, counted over all epochs of a process."""

    def __init__(self, step, kill):
        super().__init__()
        # No plain data: it would be restored with the rest.
        self._steps = iter(range(1, step))
        self._kill = kill

    def on_train_batch_end(self, batch, logs=None):
        if next(self._steps, None) is None:
            self._kill()


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    path, step = sys.argv[1:]
    keras.utils.set_random_seed(3)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        # As in `conftest.py`: another graph rounds in another way.
        tensorflow.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": True}
        )
    train(defended(), pathlib.Path(path), Kill(int(step), kill))
