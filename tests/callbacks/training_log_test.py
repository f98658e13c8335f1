"""Tests of the log files of epochs, against the history of `fit`."""

import csv
import io
import json
import struct

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended

pytestmark = pytest.mark.once

X, Y = np.ones((4, 2)), np.ones((4, 1))


def linear():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit(*callbacks, **arguments):
    return (
        linear()
        .fit(X, Y, verbose=0, callbacks=list(callbacks), **arguments)
        .history
    )


def json_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def csv_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def scalars(folder):
    """Reads `{tag: {step: value}}` from a folder of events."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    file, values = io.BytesIO(path.read_bytes()), {}
    while header := file.read(12):
        event = Event.FromString(file.read(*struct.unpack("<Q", header[:8])))
        file.read(4)  # The checksum.
        for value in event.summary.value:
            values.setdefault(value.tag, {})[event.step] = value.simple_value
    return values


@pytest.mark.everywhere
def test_defended_training_in_all_three_forms(tmp_path):
    table, lines = tmp_path / "new" / "log.csv", tmp_path / "log.jsonl"
    model = defended(networks.sequential(), validation_attack=None)
    x, y = data(8)
    history = model.fit(
        x,
        y,
        validation_data=(x[:4], y[:4]),
        validation_freq=2,  # The first epoch knows no `val_` names.
        epochs=2,
        batch_size=8,
        verbose=0,
        callbacks=[
            kad.callbacks.TrainingLog(table),
            kad.callbacks.TrainingLog(lines, tensorboard=tmp_path / "events"),
        ],
    ).history
    assert {"rectification_loss", "robust_accuracy", "val_loss"} <= set(history)

    first, second = json_rows(lines)
    assert (first.pop("epoch"), second.pop("epoch")) == (0, 1)
    assert 0 < first.pop("seconds") and 0 < second.pop("seconds")
    assert second == {name: values[-1] for name, values in history.items()}
    assert first == {
        name: values[0]
        for name, values in history.items()
        if not name.startswith("val_")
    }
    for row, expected in zip(csv_rows(table), (first, second), strict=True):
        missing = [name for name, text in row.items() if text == "NA"]
        assert sorted(missing) == sorted(set(second) - set(expected))
        assert {name: float(row[name]) for name in expected} == expected

    trained = scalars(tmp_path / "events" / "train")
    validated = scalars(tmp_path / "events" / "validation")
    assert set(validated["epoch_loss"]) == {2}
    for name, values in history.items():
        events = (validated if name.startswith("val_") else trained)[
            f"epoch_{name.removeprefix('val_')}"
        ]
        np.testing.assert_allclose(list(events.values()), values, rtol=1e-6)


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_resumed_training_replaces_epochs(tmp_path, name):
    path = tmp_path / name
    one = fit(kad.callbacks.TrainingLog(path), epochs=3)["loss"]
    log = kad.callbacks.TrainingLog(path, append=True)
    two = fit(log, epochs=4, initial_epoch=2)["loss"]
    figure = kad.visualization.training_figure(path)
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(line.get_ydata(), [*one[:2], *two])

    three = fit(kad.callbacks.TrainingLog(path), epochs=1)["loss"]
    figure = kad.visualization.training_figure(path)
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == three


def test_what_is_not_finite_and_what_was_carried_on(tmp_path):
    class Measured(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["learning_rate"] = np.float32("nan")

    measure = kad.callbacks.RobustnessEvaluation(
        *data(4), attacks=kad.attacks.FGSM(), epsilons=0.1, every=2
    )
    table, lines = tmp_path / "log.csv", tmp_path / "log.jsonl"
    x, y = data(4)
    model = networks.sequential()
    model.compile("sgd", "sparse_categorical_crossentropy")
    logs = map(kad.callbacks.TrainingLog, (table, lines))
    callbacks = [measure, Measured(), *logs]
    model.fit(x, y, epochs=4, verbose=0, callbacks=callbacks)

    name = "val_robust_accuracy_fgsm"
    assert [name in row for row in json_rows(lines)] == [
        epoch in measure.accuracies for epoch in range(4)
    ]
    assert [row[name] == "NA" for row in csv_rows(table)] == [
        epoch not in measure.accuracies for epoch in range(4)
    ]
    assert [row["learning_rate"] for row in json_rows(lines)] == [None] * 4
    assert [row["learning_rate"] for row in csv_rows(table)] == ["nan"] * 4


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
@pytest.mark.parametrize("text", ["loss\n1\n", '{"loss": 1}\n', "epoch\nx\n"])
def test_a_file_that_is_no_log_is_left_alone(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match="should be written by `TrainingLog`"):
        fit(kad.callbacks.TrainingLog(path, append=True))
    assert path.read_text() == text


def test_other_names_of_files(tmp_path):
    with pytest.raises(ValueError, match=r"\.csv or \.jsonl.*log\.txt"):
        kad.callbacks.TrainingLog(tmp_path / "log.txt")
