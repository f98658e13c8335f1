"""Tests of averaged weights: closed form, and who sees them."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.callbacks import WeightAveraging
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended

X = np.random.default_rng(0).normal(size=(24, 2)).astype("float32")
Y = X @ np.array([[1.0], [-2.0]], "float32") + 0.5


def network():
    """A layer with batch statistics, and one with weights only."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.03, momentum=0.5), "mse")
    return model


class Trajectory(keras.callbacks.Callback):
    """Keeps the weights after each step; `averaged` after each epoch."""

    def __init__(self):
        super().__init__()
        self.steps, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.steps.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.model.get_weights())


def run(model, *callbacks, epochs=3, **kwargs):
    trajectory = Trajectory()
    history = model.fit(
        *(X, Y),
        batch_size=4,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, trajectory],
        **kwargs,
    )
    return trajectory, history.history


def averages(steps, start, kept):
    """The averages after each step, weight by weight."""
    found = [start]
    for t, weights in enumerate(steps):
        pairs = zip(found[-1], weights, strict=True)
        found.append([kept(t) * a + (1 - kept(t)) * w for a, w in pairs])
    return found[1:]


def assert_weights(found, expected, rtol=1e-5):
    for own, its in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, its, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("warm_up", [True, False])
def test_closed_form_and_training_stays_as_it_is(warm_up):
    plain = run(network())[0].steps
    model = network()
    start = model.get_weights()
    averaging = WeightAveraging(0.8, warm_up=warm_up)
    trajectory, history = run(model, averaging, validation_data=(X, Y))

    for own, its in zip(trajectory.steps, plain, strict=True):
        assert_weights(own, its)

    def kept(t):
        return min(0.8, (1 + t) / (10 + t)) if warm_up else 0.8

    expected = averages(plain, start, kept)
    for epoch in range(3):
        assert_weights(trajectory.epochs[epoch], expected[6 * epoch + 5])
    assert_weights(model.get_weights(), expected[-1])
    # Validation was of the averages, batch statistics included.
    loss = model.evaluate(X, Y, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    model.set_weights(plain[-1])
    assert abs(model.evaluate(X, Y, verbose=0) - loss) > 1e-3


def test_begins_at_its_epoch():
    model = network()
    trajectory, _ = run(model, WeightAveraging(0.8, start_epoch=2))
    for epoch in range(2):
        trained = trajectory.steps[6 * epoch + 5]
        assert_weights(trajectory.epochs[epoch], trained)
    expected = averages(
        trajectory.steps[12:],
        trajectory.steps[11],
        lambda t: min(0.8, (1 + t) / (10 + t)),
    )
    assert_weights(model.get_weights(), expected[-1])


@pytest.mark.backend("tensorflow", "jax")
def test_several_steps_at_once_are_averaged_at_their_end():
    model = network()
    model.compile(model.optimizer, "mse", steps_per_execution=3)
    start = model.get_weights()
    averaging = WeightAveraging(0.8, warm_up=False)
    trajectory, _ = run(model, averaging, epochs=1)
    expected = averages(trajectory.steps, start, lambda t: 0.8**3)
    assert len(trajectory.steps) == 2
    assert_weights(model.get_weights(), expected[-1])


def test_a_defended_model_and_the_checkpoint_of_its_average(tmp_path):
    x, y = data(8)
    model = defended(
        networks.sequential(), validation_attack=kad.attacks.FGSM(0.05)
    )
    path = tmp_path / "best.keras"
    schedule = kad.callbacks.DefenseSchedule(attention_warmup=1)
    start = [w.copy() for w in model.base.get_weights()]
    model.compile("sgd", metrics=["accuracy"])
    model.fit(
        *(x, y),
        verbose=0,
        validation_data=(x, y),
        callbacks=[
            WeightAveraging(0.995),
            schedule,
            kad.callbacks.RobustCheckpoint(path),
        ],
    )
    # The first step keeps a tenth of the start.
    saved = keras.saving.load_model(path)
    assert_weights(saved.base.get_weights(), model.base.get_weights())
    fresh = defended(networks.sequential())
    fresh.compile("sgd", metrics=["accuracy"])
    fresh.fit(x, y, verbose=0, callbacks=[schedule])
    expected = averages([fresh.base.get_weights()], start, lambda t: 0.1)
    assert_weights(model.base.get_weights(), expected[0], rtol=1e-4)
    assert float(model.attention_strength) == 1.0


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"momentum": 1.5}, "`momentum` should be a number from 0 to 1"),
        ({"momentum": "high"}, "momentum"),
        ({"start_epoch": -1}, "start_epoch"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightAveraging(**arguments)
