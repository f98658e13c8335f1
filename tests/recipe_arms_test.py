"""The laboratory's arms train with what their names say."""

import pathlib

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
