"""Tests of the command `train`: what it trains, writes, and goes on from."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.cli import train
from keras_attn_defense.cli.data import DataOptions
from keras_attn_defense.cli.data import load_data
from tests.cli.helpers import fails
from tests.cli.helpers import run

TRAIN = "train small.keras --data set.npz --epochs 3 --batch-size 8 "


@pytest.fixture(autouse=True)
def data(folder):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 30)
    x = 0.5 + 0.2 * (2 * y - 1)[:, None, None, None]
    x = x + random.normal(0, 0.05, (60, 5, 5, 1))
    np.savez("set.npz", x_train=x.clip(0, 1), y_train=y, x_test=x, y_test=y)
    layers = [
        keras.Input((5, 5, 1)),
        keras.layers.Conv2D(2, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ]
    keras.Sequential(layers).save("small.keras")


def test_files_and_numbers(folder, capsys):
    recipe = "--recipe trades --epsilon 0.1 --learning-rate 0.05 "
    assert run(TRAIN + recipe + "--out run --averaging 0.5") == 0
    output = capsys.readouterr().out
    defended = keras.saving.load_model("run/defended.keras")
    assert defended.attack.epsilon == defended.validation_attack.epsilon == 0.1
    # The share that the preset's steps have of its radius.
    assert defended.attack.step_size == pytest.approx(0.1 * 0.007 * 255 / 8)
    assert isinstance(defended.robust_loss, kad.losses.TRADES)
    rows = np.genfromtxt("run/log.csv", delimiter=",", names=True)
    assert len(rows) == 3
    robust = rows["val_robust_accuracy"]
    best = int(np.lexsort((rows["val_accuracy"], robust))[-1])
    assert f"{100 * robust[best]:.1f} % under" in output
    assert "on 6 images held out" in output
    # What is written is what was measured, on the images held out.
    images, labels = load_data(
        "set.npz", DataOptions((0.0, 1.0), split="train")
    )
    arguments = type("", (), {"held_out": 1000, "seed": 0, "data": "set.npz"})
    (x, _), (held, y) = train._split(images, labels, arguments)
    assert len(x) == 54 and np.bincount(y).tolist() == [3, 3]
    base = keras.saving.load_model("run/best.keras")
    accuracy = (base.predict(held, verbose=0).argmax(1) == y).mean()
    assert accuracy == pytest.approx(rows["val_accuracy"][best])
    assert run("evaluate run/best.keras --data set.npz --limit 1") == 0


@pytest.mark.once
def test_goes_on_where_it_was_interrupted(monkeypatch, capsys):
    command = TRAIN + "--augment --recipe n-fgsm "
    assert run(command + "--out whole") == 0

    def interrupted(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    # The last of the callbacks, after those that keep the epoch.
    log = kad.callbacks.TrainingLog
    ended = log.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(
            log,
            "on_epoch_end",
            lambda self, epoch, logs=None: [
                ended(self, epoch, logs),
                interrupted(epoch, logs),
            ],
        )
        assert run(command + "--out part") == 130
    assert "'part': the same command" in capsys.readouterr().err
    assert run(command + "--out part") == 0
    whole, part = (
        keras.saving.load_model(f"{name}/best.keras").get_weights()
        for name in ("whole", "part")
    )
    for one, other in zip(whole, part, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.once
@pytest.mark.parametrize(
    "options, message",
    [
        ("--recipe ard", "needs `teacher`"),
        ("--teacher small.keras", "for the recipes ard and rslad"),
        ("--limit 5", "Expected at least 10"),
        ("--recipe n-fgsm --epsilon 8", "psilon"),
    ],
)
def test_bad_input(options, message, capsys):
    assert message in fails(TRAIN + "--out run " + options, capsys)


@pytest.mark.once
def test_another_recipe_in_the_same_folder_is_refused(capsys):
    assert run(TRAIN + "--recipe n-fgsm --out run") == 0
    message = fails(TRAIN + "--recipe fgsm-rs --out run", capsys)
    assert "run" in message and "attack" in message
    message = fails(TRAIN + "--recipe n-fgsm --seed 1 --out run", capsys)
    assert "`seed` of `Resume` was 0 and is 1" in message


@pytest.mark.once
def test_a_teacher():
    assert run(TRAIN + "--recipe rslad --teacher small.keras --out run") == 0
    defended = keras.saving.load_model("run/defended.keras")
    assert isinstance(defended.robust_loss, kad.losses.RSLAD)
