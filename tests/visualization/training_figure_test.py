"""Tests of the figure of a training."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests.visualization.helpers import assert_legible

pytestmark = pytest.mark.once

LOGS = {
    "accuracy": [0.25, 0.5, 0.75],
    "classification_loss": [3.0, 2.0, 1.0],
    "learning_rate": [0.1, 0.1, 0.1],
    "loss": [40.0, 30.0, 20.0],
    "rectification_loss": [0.0, -0.001, -0.002],
    "val_accuracy": [0.2, 0.4, 0.6],
    "val_loss": [50.0, 40.0, 30.0],
    "val_robust_accuracy_apgd_ce": [0.0, 0.1, 0.2],
}
SOLID, DASHED = "-", "--"


def curves(figure):
    """Returns values, colors and styles of all curves by panel and name."""
    lines = {}
    for axes in figure.axes:
        for line in axes.get_lines():
            x, y = line.get_data()
            key = axes.get_title(), line.get_linestyle(), line.get_color()
            lines[key] = list(x), list(y)
    return lines


def test_curves():
    figure = kad.visualization.training_figure(LOGS, "all $5 of it")
    epochs = [1, 2, 3]
    assert curves(figure) == {
        ("accuracy in %", SOLID, "C0"): (epochs, [25, 50, 75]),
        ("accuracy in %", DASHED, "C0"): (epochs, [20, 40, 60]),
        ("accuracy in %", DASHED, "C1"): (epochs, [0, 10, 20]),
        ("classification loss", SOLID, "C0"): (epochs, [3, 2, 1]),
        ("loss", SOLID, "C0"): (epochs, [40, 30, 20]),
        ("loss", DASHED, "C0"): (epochs, [50, 40, 30]),
        ("rectification loss", SOLID, "C0"): (epochs, [0, -0.001, -0.002]),
    }
    legend = figure.axes[0].get_legend().get_texts()
    names = [text.get_text() for text in legend]
    assert names == ["accuracy", "robust accuracy apgd ce"]
    (styles,) = figure.legends
    names = [text.get_text() for text in styles.get_texts()]
    assert names == ["training", "validation"]
    assert_legible(figure)


def test_history_and_file_give_the_same_figure(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    path = tmp_path / "log.csv"
    history = model.fit(
        np.ones((4, 2)),
        np.ones((4, 1)),
        epochs=4,
        initial_epoch=2,
        verbose=0,
        callbacks=[keras.callbacks.CSVLogger(path)],
    )
    figure = kad.visualization.training_figure(history)
    ((epochs, losses),) = curves(figure).values()
    assert epochs == [3, 4] and losses == history.history["loss"]
    assert not figure.legends
    of_file = kad.visualization.training_figure(path)
    np.testing.assert_allclose(
        *(list(curves(each).values()) for each in (figure, of_file)), rtol=1e-6
    )
    assert_legible(figure)


def test_what_was_not_measured_is_a_gap(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,val_loss\n0,1.0,2.0\n1,0.5,NA\n")
    lines = curves(kad.visualization.training_figure(str(path)))
    (_, values) = lines["loss", DASHED, "C0"]
    np.testing.assert_array_equal(values, [2.0, np.nan])


@pytest.mark.parametrize(
    "history, message",
    [
        ({}, r"names contain 'loss' or 'accuracy'.*\[\] of 0 epochs"),
        ({"loss": []}, "of at least one epoch"),
        ({"lr": [0.1]}, r"names contain.*\['lr'\]"),
        ({"loss": [1, 2], "val_loss": [1]}, "1 values for 2.*validation_freq"),
        (3, "Received an object of type int"),
    ],
)
def test_bad_input(history, message):
    with pytest.raises(ValueError, match=message):
        kad.visualization.training_figure(history)


@pytest.mark.parametrize("text", ["", "a;b\n1;2\n", "epoch,loss\n"])
def test_other_files(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="written by `TrainingLog`"):
        kad.visualization.training_figure(path)
