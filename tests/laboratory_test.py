"""The laboratory trains with what the names of its arms say."""

import pathlib

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.attacks.objectives import CrossEntropy
from tests import networks

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"
LOSSES = {
    "alp": "LogitPairing",
    "trades": "TRADES",
    "trades-awp": "TRADES",
    "mart": "MART",
    "score": "SCORE",
    "trades, signed random, l1=0.2": "TRADES",
    "trades, noisy logits, l1": "TRADES",
    "pgd-7": "AdversarialCrossentropy",
    "pgd-7, signed random, l1=0.2": "AdversarialCrossentropy",
    "averaged trades-awp, signed random, l1=0.2": "TRADES",
}


@pytest.fixture
def arms(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import recipe_arms

    monkeypatch.setattr(recipe_arms, "EARLY", None)
    return recipe_arms


@pytest.mark.once
@pytest.mark.parametrize("name", LOSSES)
def test_the_attack_climbs_what_the_loss_says(arms, name):
    model = kad.AttentionDefendedModel(
        networks.functional(),
        validation_attack=None,
        **arms.arguments(name, 0.1),
    )
    objective = model.attack.objective

    assert type(model.robust_loss).__name__ == LOSSES[name]
    if LOSSES[name] == "AdversarialCrossentropy":
        assert isinstance(objective, CrossEntropy)
    else:
        assert objective.loss is model.robust_loss
    assert model.attack.steps == 7
    assert (model.weight_perturbation is not None) == ("awp" in name)
    added = {"random": 0.2, "noisy": 1.0}
    weight = next((w for key, w in added.items() if key in name), 0.0)
    assert model.preservation_weight == weight
    assert len(arms.callbacks(name)) == name.startswith("averaged")


@pytest.mark.once
def test_a_term_alone_is_on_top_of_fgsm(arms):
    found = arms.arguments("signed random, l1=0.7", 0.1)

    assert type(found["attack"]) is kad.attacks.FGSM
    assert found["preservation_weight"] == 0.7
    assert found["attention"].score == "random"


@pytest.mark.once
@pytest.mark.parametrize("name", ["fgsm=1", "rslad=2"])
def test_a_weight_that_is_of_nothing_raises(arms, name):
    with pytest.raises(ValueError, match="Nothing there has a weight"):
        arms.arguments(name, 0.1)


@pytest.mark.once
def test_fit_sees_the_orders_of_its_epochs(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import recipe_data

    x = np.arange(10.0, dtype="float32")[:, None]
    epochs = recipe_data.Epochs((x, x[:, 0]), 4, seed=7, mirror=False)
    seen = []

    class Seeing(keras.Model):
        def call(self, inputs):
            return inputs

        def train_step(self, data):
            seen.extend(keras.ops.convert_to_numpy(data[1]))
            return {"loss": 0.0}

    model = Seeing()
    model.compile(run_eagerly=True)
    model.fit(
        epochs,
        initial_epoch=2,
        epochs=5,
        shuffle=False,
        callbacks=[epochs.callback],
        verbose=0,
    )

    orders = [recipe_data.epoch_data(x, x, 7, e, False)[1] for e in (2, 3, 4)]
    np.testing.assert_array_equal(seen, np.concatenate(orders)[:, 0])
