"""Tests of robust accuracy in the logs, against closed forms."""

import csv

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from tests import networks
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import images_of
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.testing import BACKEND
from tests.testing import to_numpy

EPSILON = 0.04
MEANS = np.linspace(0.2, 0.8, 24)
LABELS = (MEANS > 0.5).astype(int)
IMAGES = images_of(MEANS)
KEY = "val_robust_accuracy_fgsm"


def robust_share(middle, epsilon=EPSILON):
    """Returns the robust accuracy of `brightness` on `IMAGES`."""
    margins = np.where(LABELS == 1, 1, -1) * (MEANS - middle)
    return (margins > epsilon).mean()


class MoveMiddle(keras.callbacks.Callback):
    """Moves the boundary of `brightness` in each epoch."""

    def __init__(self, middles):
        super().__init__()
        self.middles = middles

    def on_epoch_begin(self, epoch, logs=None):
        source = brightness(middle=self.middles[epoch])
        self.model.set_weights(source.get_weights())


MIDDLES = [0.6, 0.54, 0.7, 0.57, 0.65]
SHARES = [robust_share(middle) for middle in MIDDLES]


def evaluation(**arguments):
    arguments = {"attacks": FGSM(), "epsilons": EPSILON, **arguments}
    return kad.callbacks.RobustnessEvaluation(IMAGES, LABELS, **arguments)


def fit(*callbacks, epochs=5, model=None, **arguments):
    model = model or brightness()
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model.fit(
        IMAGES,
        LABELS,
        batch_size=len(IMAGES),
        epochs=epochs,
        verbose=0,
        callbacks=[MoveMiddle(MIDDLES), *callbacks],
        **arguments,
    ).history


@pytest.mark.once
def test_every_epoch_in_closed_form():
    assert len(set(SHARES)) == 5
    robustness = evaluation()
    history = fit(robustness)
    assert history[KEY] == SHARES
    assert robustness.accuracies == dict(enumerate(SHARES))


def test_sees_the_weights_that_fit_has_just_learned():
    model, seen = networks.linear(classes=2, shape=(4, 4, 3)), []
    robustness = evaluation()
    snapshot = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights())
    )
    model.compile(
        keras.optimizers.SGD(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(
        IMAGES,
        LABELS,
        batch_size=8,
        epochs=8,
        shuffle=False,
        verbose=0,
        callbacks=[robustness, snapshot],
    ).history

    expected = []
    for kernel, bias in seen:
        slope = (kernel[:, 1] - kernel[:, 0]).astype("float64")
        gap = IMAGES.reshape(24, -1) @ slope + bias[1] - bias[0]
        margins = np.where(LABELS == 1, gap, -gap) / abs(slope).sum()
        expected.append((margins > EPSILON).mean())
    assert history[KEY] == expected
    assert len(set(expected)) > 2


def test_between_measurements_the_last_value_is_logged_again(tmp_path):
    robustness = evaluation(every=2)
    log, best = tmp_path / "log.csv", tmp_path / "best.keras"
    history = fit(
        robustness,
        keras.callbacks.CSVLogger(log),
        keras.callbacks.ModelCheckpoint(
            best, monitor=KEY, mode="max", save_best_only=True
        ),
    )
    # The first epoch, every second one, and the last.
    measured = {epoch: SHARES[epoch] for epoch in (0, 1, 3, 4)}
    assert robustness.accuracies == measured
    logged = [SHARES[epoch] for epoch in (0, 1, 1, 3, 4)]
    assert history[KEY] == logged
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row[KEY]) for row in rows] == logged
    # Saved in the best epoch, not in the one that repeats its value.
    saved = keras.saving.load_model(best).get_weights()
    expected = brightness(middle=MIDDLES[int(np.argmax(logged))]).get_weights()
    for one, other in zip(saved, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.once
def test_training_that_is_stopped_ends_with_a_measurement():
    robustness = evaluation(every=5)
    stop = keras.callbacks.EarlyStopping(KEY, mode="max", patience=2)
    history = fit(robustness, stop)
    assert len(history[KEY]) == 3
    assert robustness.accuracies == {0: SHARES[0], 2: SHARES[2]}

    # Where it is known in time, the logs of the epoch have it.
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    logged = fit(Stop(), evaluation(every=5))[KEY]
    assert logged == [SHARES[0], SHARES[0], SHARES[2]]
    # The same callback in another training.
    fit(robustness, epochs=1)
    assert robustness.accuracies == {0: SHARES[0]}


@pytest.mark.once
def test_each_image_has_to_withstand_every_attack():
    weak, strong = FGSM(0.001), FGSM(EPSILON)

    class Weak(FGSM):
        def with_epsilon(self, epsilon):
            return weak

    both = evaluation(attacks={"weak": Weak(), "strong": strong})
    history = fit(both, epochs=2)
    assert history["val_robust_accuracy_weak_strong"] == SHARES[:2]
    alone = evaluation(attacks=Weak(), name="weak")
    assert fit(alone, epochs=2)["weak"] == [
        robust_share(middle, 0.001) for middle in MIDDLES[:2]
    ]


def test_data_sets_are_read_once():
    reads = []

    def batches():
        reads.append(1)
        for first in range(0, 24, 7):
            yield (
                IMAGES[first : first + 7],
                np.eye(2)[LABELS[first : first + 7]],
            )

    robustness = kad.callbacks.RobustnessEvaluation(
        batches(), attacks=FGSM(), epsilons=EPSILON, limit=9
    )
    history = fit(robustness, epochs=2)
    margins = np.where(LABELS == 1, 1, -1) * (
        MEANS - np.array(MIDDLES)[:, None]
    )
    expected = (margins > EPSILON)[:2, :9].mean(-1)
    np.testing.assert_allclose(history[KEY], expected)
    assert reads == [1]


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Counting(keras.layers.Layer):
    """Counts how often Python runs it: once for each trace of compiled code."""

    runs = 0

    def call(self, inputs):
        Counting.runs += 1
        return inputs


@pytest.mark.backend("tensorflow", "jax")
def test_compiled_once():
    model = brightness()
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), Counting(), *model.layers]
    )
    runs = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: runs.append(Counting.runs)
    )
    attacks = {"fgsm": FGSM(), "pgd": PGD(steps=2, restarts=2)}
    robustness = evaluation(attacks=attacks, batch_size=6)
    fit(robustness, count, model=model)
    assert runs[0] > 0
    assert set(runs[1:]) == {runs[0]}, BACKEND


def test_leaves_training_alone_and_measures_at_full_strength():
    x, y = data(8)
    weights = []
    for watched in (False, True):
        model = defended(
            networks.functional(),
            attack=PGD(0.4, steps=2, random_start=True, seed=3),
        )
        callbacks = [kad.callbacks.DefenseSchedule(attack_warmup=2)]
        if watched:
            robustness = kad.callbacks.RobustnessEvaluation(
                x, y, model.attack, batch_size=8
            )
            callbacks.append(robustness)
        keras.utils.set_random_seed(0)
        model.compile(keras.optimizers.SGD(0.01))
        model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)

    # The schedule has switched the training attack off, not the measurement.
    assert robustness._runner.threat.epsilons == (0.4,)
    predicted = to_numpy(model.base(x)).argmax(-1)
    assert (predicted == y).mean() > 0
    assert max(robustness.accuracies.values()) == 0.0


def test_equal_weights_give_equal_numbers():
    attack = PGD(steps=1, step_size=0.01, random_start=True, norm="l2")
    model = brightness()
    robustness = evaluation(attacks=attack, epsilons=0.5, norm="l2")
    robustness.set_model(model)
    robustness.on_train_begin()
    values = []
    for _ in range(3):
        keras.random.uniform((2,))
        robustness._epoch, logs = 0, {}
        robustness._measure(logs)
        values.extend(logs.values())
    assert len(set(values)) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"attacks": "no such attack"}, "no such attack"),
        ({"every": 0}, "every"),
        ({"limit": 0}, "limit"),
        ({"batch_size": 0}, "batch_size"),
        ({"norm": "l7"}, "l7"),
        ({"attacks": FGSM(norm="l2")}, "norm"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluation(**arguments)


def test_bad_data_is_told_before_training():
    epochs = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs.append(epoch)
    )
    for x, y, message in [
        (IMAGES * 255, LABELS, "value_range"),
        (IMAGES, LABELS + 1, "Labels"),
        (IMAGES[..., :2], LABELS, "shape"),
    ]:
        robustness = kad.callbacks.RobustnessEvaluation(x, y, FGSM())
        with pytest.raises(ValueError, match=message):
            fit(note, robustness)
    with pytest.raises(ValueError, match="one number"):
        fit(note, evaluation(epsilons=[0.1, 0.2]))
    assert epochs == []
    with pytest.raises(ValueError, match="labels"):
        kad.callbacks.RobustnessEvaluation(IMAGES)


def test_arguments_that_are_set_between_fits_are_obeyed():
    callback = evaluation()
    model = brightness(middle=0.6)
    history = fit(callback, epochs=1, model=model)
    assert history[KEY] == pytest.approx([robust_share(0.6)])
    callback.epsilons = 0.1
    history = fit(callback, epochs=1, model=model)
    assert history[KEY] == pytest.approx([robust_share(0.6, 0.1)])
    assert robust_share(0.6, 0.1) < robust_share(0.6)


def test_a_users_attack_is_left_as_it_was():
    attack = PGD(0.5, steps=1, seed=3)
    attack.strength.assign(0.25)
    before = attack.get_config()
    fit(evaluation(attacks=attack), epochs=2)
    assert to_numpy(attack.seed_generator.state).tolist() == [3, 0]
    assert float(to_numpy(attack.strength.value)) == 0.25
    assert attack.get_config() == before


def test_a_value_range_that_the_model_contradicts():
    model = brightness()
    model.value_range = (0.0, 1.0)
    callback = evaluation(value_range=(0, 255), epsilons=8)
    with pytest.raises(ValueError, match="takes images in value_range"):
        fit(callback, model=model)
