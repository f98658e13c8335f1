"""The laboratory trains with what the names of its arms say."""

import argparse
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
    assert found["attention_every"] == 1


@pytest.mark.once
def test_a_term_may_come_in_every_fourth_step(arms):
    found = arms.arguments("signed random, l1=0.7, every 4", 0.1)

    assert found["preservation_weight"] == 0.7
    assert found["attention_every"] == 4
    with pytest.raises(ValueError, match="no term"):
        arms.arguments("trades=6, every 4", 0.1)


@pytest.mark.once
def test_the_paper_s_terms_have_the_weights_of_the_default(arms):
    default = kad.AttentionDefendedModel(networks.functional())
    (mixed, ours, term, control) = (
        kad.AttentionDefendedModel(
            networks.functional(), **arms.arguments(name, 0.1)
        )
        for name in (
            "mixed",
            "default",
            "mixed, rectification",
            "mixed, random mask",
        )
    )

    assert not mixed.uses_attention
    assert ours.preservation_weight == default.preservation_weight
    for model in (ours, term, control):
        assert model.rectification_weight == default.rectification_weight
        assert model.robust_loss is default.robust_loss is None
    assert term.preservation_weight == control.preservation_weight == 0.0
    assert term.mask.place == "attention"
    assert control.mask.place == "random"


@pytest.mark.once
def test_networks_have_an_early_layer(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import networks as laboratory
    import recipe_arms

    for name, build in laboratory.NETWORKS.items():
        if not name.endswith(("56", "18")):
            assert build().get_layer(recipe_arms.EARLY)


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


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import recipe_measures
    import recipe_runs

    def resists(attack, model, x, y):
        return np.ones(len(x), bool)

    # What the attacks find is not tested here.
    monkeypatch.setattr(recipe_measures, "resists", resists)

    def make(**changes):
        options = {
            "data": "digits",
            "network": "conv4",
            "out": "test",
            "state": tmp_path,
            "epsilon": 25.5,
            "epochs": 3,
            "batch": 32,
            "rate": 0.01,
            "sgd": False,
            "images": 64,
            "test_images": 16,
            "auto_attack": 0,
            "adaptive": 0,
            "warm_up": 0,
            "ramp": 0,
            "watch": 3,
            "teacher": "digits",
            "fork": None,
            "minutes": 10,
        }
        return recipe_runs.Runs(argparse.Namespace(**options | changes))

    return make


@pytest.mark.backend("torch")
def test_a_fork_goes_on_as_if_nothing_had_been(runs):
    straight = runs(out="straight").run("fgsm", 1)
    forked = runs(fork=["fgsm", 2]).run("fgsm", 1)

    losses = [epoch["loss"] for epoch in straight["epochs"]]
    assert [epoch["loss"] for epoch in forked["epochs"]] == losses[2:]
    assert forked["clean"] == straight["clean"]


@pytest.mark.backend("torch")
def test_recipes_go_on_from_the_same_state_with_the_same_noise(runs):
    forks = runs(fork=["fgsm", 1])
    plain = forks.run("pgd-2", 1)
    # A term of weight zero: what is left is the same training.
    added = forks.run("pgd-2, signed margin, l1=0", 1)

    for ours, theirs in zip(plain["epochs"], added["epochs"], strict=True):
        assert ours["loss"] == theirs["loss"]


@pytest.mark.backend("torch")
def test_attacks_of_a_fork_draw_the_same_noise(runs):
    import recipe_runs

    trunk, first, second = (runs().build("pgd-2", 1) for _ in range(3))
    trunk.optimizer.build(trunk.trainable_variables)
    draws = []
    for model in (first, second):
        recipe_runs.go_on_from(trunk, model, 1)
        generator = model.attack.seed_generator
        draws.append(keras.random.uniform((3,), seed=generator))

    np.testing.assert_array_equal(*draws)


@pytest.mark.backend("torch")
def test_a_fork_of_another_recipe_is_not_gone_on_with(runs):
    runs(fork=["fgsm", 1]).run("pgd-2", 1)

    with pytest.raises(ValueError, match="results of other settings"):
        runs(fork=["n-fgsm", 1]).run("pgd-2", 1)


@pytest.mark.backend("torch")
def test_recipes_of_a_seed_begin_with_the_same_weights(runs):
    forks = runs(fork=["fgsm", 1])
    row = forks.run("pgd-2", 1)
    others = [row, row | {"seed": 2, "trunk": "of the other seed"}]

    assert forks.run("n-fgsm", 1, others)["trunk"] == row["trunk"]
    with pytest.raises(ValueError, match="began with other weights"):
        forks.run("n-fgsm", 1, [row | {"trunk": "lost"}])


@pytest.mark.backend("torch")
def test_a_call_that_is_out_of_time_is_gone_on_with(runs):
    import recipe_runs

    whole = runs(out="whole", watch=1).run("fgsm", 1)
    with pytest.raises(recipe_runs.OutOfTime):
        runs(watch=1, minutes=0).run("fgsm", 1)
    runs(watch=1, fork=None).trained("fgsm", "fgsm", 1, (0, 1))
    later = runs(watch=1).run("fgsm", 1)

    losses = [epoch["loss"] for epoch in whole["epochs"]]
    assert [epoch["loss"] for epoch in later["epochs"]] == losses


@pytest.mark.backend("torch")
def test_an_image_counts_in_the_end_if_it_resists_every_attack(
    runs, monkeypatch
):
    import recipe_measures

    resisted = {
        "FGSM": [1, 1, 1, 1],
        "PGD": [1, 1, 0, 1],
        "AutoAttack": [1, 0],
        "defense": [0, 1, 1, 1],
    }

    def resists(attack, model, x, y):
        name = type(attack).__name__
        if name == "PGD" and not isinstance(attack.objective, CrossEntropy):
            name = "defense"
        return np.array(resisted[name][: len(x)], bool)

    monkeypatch.setattr(recipe_measures, "resists", resists)
    lab = runs(test_images=4, auto_attack=2, adaptive=4)
    model = lab.build("pgd-2", 1)
    found = recipe_measures.measure(model, lab.test, lab.options)

    del found["clean"]
    assert found == {
        "fgsm": 1.0,
        "pgd_50_10": 0.75,
        "autoattack": 0.5,
        "adaptive": 0.75,
        "worst": 0.0,
    }
