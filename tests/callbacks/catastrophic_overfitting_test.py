"""Tests of the callback that notices a collapse, on planted accuracies."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.callbacks import CatastrophicOverfitting
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended

pytestmark = pytest.mark.once
FGSM, PGD = "val_fgsm_accuracy", "val_pgd_accuracy"


def one_weight():
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


class Planted:
    """In place of a measurement: a value for each epoch."""

    values: dict[str, list[float]] = {}

    def __init__(self, *_, name, **__):
        self.name = name

    def set_model(self, model):
        pass

    def set_params(self, params):
        pass

    def on_train_begin(self):
        pass

    def on_epoch_begin(self, epoch):
        pass

    def on_epoch_end(self, epoch, logs):
        logs[self.name] = self.values[self.name][epoch]


@pytest.fixture
def train(monkeypatch):
    """Runs the callback like `fit`; the bias is the number of the epoch."""
    monkeypatch.setattr(
        "keras_attn_defense.callbacks.catastrophic_overfitting"
        ".RobustnessEvaluation",
        Planted,
    )

    def run(fgsm, pgd, **kwargs):
        monkeypatch.setattr(Planted, "values", {FGSM: fgsm, PGD: pgd})
        model = one_weight()
        model.stop_training = False
        watch = CatastrophicOverfitting(*data(4), **kwargs)
        watch.set_model(model)
        watch.on_train_begin()
        for epoch in range(len(fgsm)):
            model.set_weights([np.zeros((1, 1)), np.array([epoch])])
            watch.on_epoch_end(epoch, {})
            if model.stop_training:
                break
        watch.on_train_end()
        return watch, epoch, int(model.get_weights()[1][0])

    return run


COLLAPSE = [0.25, 0.30, 0.28, 0.80, 0.90], [0.22, 0.26, 0.25, 0.10, 0.0]


@pytest.mark.parametrize(
    "action, last, weights", [("warn", 4, 4), ("stop", 3, 3), ("restore", 3, 1)]
)
def test_a_collapse_is_noticed_once(train, action, last, weights):
    with pytest.warns(UserWarning, match=r"epoch 4.* 26.0% to 10.0%") as told:
        watch, epoch, left = train(*COLLAPSE, action=action)
    assert (watch.collapsed_epoch, watch.best_epoch) == (3, 1)
    assert (epoch, left) == (last, weights)
    told = [str(each.message) for each in told]
    assert sum("Catastrophic overfitting" in each for each in told) == 1


@pytest.mark.parametrize(
    "fgsm, pgd",
    [
        # Both fall: training diverges, or the network forgets.
        ([0.3, 0.1], [0.3, 0.1]),
        # A fall within the noise.
        ([0.3, 0.5], [0.3, 0.21]),
        # Both rise.
        ([0.3, 0.5, 0.6], [0.2, 0.4, 0.5]),
    ],
)
def test_nothing_else_is_one(train, fgsm, pgd):
    watch, epoch, left = train(fgsm, pgd, action="restore")
    assert watch.collapsed_epoch is None
    assert epoch == left == len(fgsm) - 1


@pytest.mark.everywhere
def test_measures_in_fit_what_an_evaluation_measures():
    x, y = data(16)
    model = defended(
        networks.functional(scale=2.0), attack=kad.attacks.FGSM(0.3, norm="l2")
    )
    watch = CatastrophicOverfitting(x, y, steps=3)
    logs = model.fit(x, y, epochs=1, verbose=0, callbacks=[watch]).history
    attacks = {
        "fgsm": kad.attacks.FGSM(norm="l2"),
        "pgd": kad.attacks.PGD(steps=3, norm="l2", seed=0),
    }
    for name, attack in attacks.items():
        report = kad.evaluate_robustness(
            model.base,
            *(x, y),
            attacks={name: attack},
            epsilons=[0.3],
            norm="l2",
            checks=False,
            verbose=0,
        )
        expected = report.robust_accuracy[0.3]
        assert logs[f"val_{name}_accuracy"] == [pytest.approx(expected)]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"action": "panic"}, "`action` should be one of"),
        ({"fall": 0.0}, "`fall` should be a number above 0"),
        ({"steps": 0}, "steps"),
        ({"limit": 0}, "limit"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CatastrophicOverfitting(*data(4), **arguments)
