"""What is set between two fits is obeyed, checked, or refused."""

import re

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.models.helpers import last
from tests.testing import to_numpy

X, Y = data(8)


def compiled(**kwargs):
    """A defended model whose steps are plain gradients."""
    model = defended(networks.sequential("softmax"), **kwargs)
    model.compile(keras.optimizers.SGD(0.01), metrics=["accuracy"])
    return model


def run(model):
    """The logs, what is shown, and the weights."""
    logs = last(model.fit(X, Y, validation_data=(X, Y), verbose=0))
    shown = to_numpy(model.craft(X, Y)), to_numpy(model.attention_map(X, Y))
    return logs, [*shown, flat_weights(model.base)]


def assert_same_runs(model, fresh):
    logs, arrays = run(model)
    expected, its_arrays = run(fresh)
    assert logs == pytest.approx(expected, rel=1e-3, abs=1e-7)
    for own, its in zip(arrays, its_arrays, strict=True):
        np.testing.assert_allclose(own, its, rtol=1e-3, atol=1e-5)
    for get in (lambda m: m, lambda m: m.adaptive_objective):
        assert without_names(get(model)) == without_names(get(fresh))


def without_names(part):
    """A configuration without the names that Keras numbers."""
    return re.sub(r"'name': '\w+'", "", repr(part.get_config()))


def attacks():
    return {
        "attack": kad.attacks.FGSM(0.1, norm="l2"),
        "sample_selection": kad.models.StrongSampleSelection(0.0, 1),
        "adversarial_rounds": 2,
    }


def losses():
    return {
        "attention": kad.attention.LayerCAM(),
        "mask": kad.attention.AttentionMask("quantile", 0.9),
        "rectification_loss": kad.losses.RectificationLoss("kl"),
        "preservation_loss": kad.losses.PreservationLoss("l1"),
        "classification_weight": 2.0,
        "rectification_weight": np.float32(0.5),
        "preservation_weight": 3,
    }


@pytest.mark.parametrize("make", [attacks, losses])
def test_what_is_set_after_a_fit_is_as_if_it_had_been_given(make):
    model = compiled(validation_attack=kad.attacks.FGSM(0.05))
    start, optimizer = model.base.get_weights(), model.optimizer
    run(model)
    settings = make()
    for name, value in settings.items():
        setattr(model, name, value)
    model.validation_attack.epsilon = 0.2
    model.base.set_weights(start)
    given = {"validation_attack": kad.attacks.FGSM(0.2), **settings}
    assert_same_runs(model, compiled(**given))
    assert model.optimizer is optimizer


def test_a_weight_that_is_no_longer_zero_logs_its_loss():
    model = compiled(rectification_weight=0, preservation_weight=0)
    logs = last(model.fit(X, Y, verbose=0))
    assert not {"rectification_loss", "preservation_loss"} & set(logs)
    model.preservation_weight = 2.0
    logs = last(model.fit(X, Y, verbose=0))
    assert "rectification_loss" not in logs
    total = logs["classification_loss"] / 2 + 2 * logs["preservation_loss"]
    assert logs["preservation_loss"] > 0
    assert logs["loss"] == pytest.approx(total, rel=1e-4)
    model.preservation_weight = 0.0
    assert "preservation_loss" not in last(model.fit(X, Y, verbose=0))


class SetWeight(keras.callbacks.Callback):
    """Sets a weight when its epoch begins."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.classification_weight = 1.0 + epoch
        self.model.attack.epsilon = 0.01 * (1 + epoch)


def test_what_a_callback_sets_is_obeyed_from_the_next_epoch_on():
    model = compiled(rectification_weight=0, preservation_weight=0)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=SetWeight())
    history = history.history
    ratio = np.divide(history["loss"], history["classification_loss"])
    np.testing.assert_allclose(ratio, [1.0, 2.0, 3.0], rtol=1e-5)


def test_steps_are_made_again_only_for_what_has_changed(monkeypatch):
    calls = []
    compute_loss = kad.AttentionDefendedModel.compute_loss
    monkeypatch.setattr(
        kad.AttentionDefendedModel,
        "compute_loss",
        lambda *a, **k: calls.append(1) or compute_loss(*a, **k),
    )
    model = compiled(rectification_weight=0)
    model.fit(X, Y, verbose=0)
    function = model.train_function
    model.preservation_weight = model.preservation_weight
    model.attack.epsilon = float(model.attack.epsilon)
    model.train_on_batch(X, Y)
    model.test_on_batch(X, Y)
    assert model.train_function is function
    count = len(calls)
    model.preservation_weight = 2.0
    model.train_on_batch(X, Y)
    assert model.train_function is not function
    assert len(calls) > count


def test_a_replaced_attack_is_trained_saved_and_loaded(tmp_path):
    model = compiled(attack=kad.attacks.PGD(0.1, steps=1, seed=1))
    model.rectification_weight = model.preservation_weight = 0
    model.fit(X, Y, verbose=0)
    model.attack = kad.attacks.PGD(0.2, steps=1, seed=7)
    # One object for both uses.
    model.validation_attack = model.attack
    model.validation_attack = None
    kept = {id(v) for v in model.variables}
    assert {id(v) for v in model.attack.variables} <= kept
    model.fit(X, Y, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.attack.epsilon == 0.2
    assert loaded.validation_attack is None
    for own, its in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(own), to_numpy(its), own.path)
    states = [m.attack.seed_generator.state for m in (model, loaded)]
    assert [to_numpy(state).tolist() for state in states] == [[7, 1]] * 2
    crafted = [to_numpy(m.craft(X, Y)) for m in (model, loaded)]
    np.testing.assert_array_equal(*crafted)


@pytest.mark.once
@pytest.mark.parametrize(
    "name, value, match",
    [
        ("training_attack", kad.attacks.FGSM(), "`model.attack = kad"),
        ("base", None, "Make a new model"),
        ("value_range", (0, 255), "Make a new model"),
        ("attack", "pdg", "An attack should be one of"),
        ("attack", kad.attacks.FGSM(8), "did you mean 8 / 255"),
        ("validation_attack", kad.attacks.FGSM(8), "did you mean 8 / 255"),
        ("attention", kad.attention.GradCAM("head"), "height and width"),
        ("mask", 0.5, "AttentionMask"),
        ("preservation_weight", -1.0, "at least 0"),
        ("preservation_loss", 3, "a function of two"),
        ("adversarial_rounds", 0, "at least 1"),
        ("augmentation", "mixup", "list of them"),
        ("sample_selection", 0.6, "StrongSampleSelection"),
    ],
)
def test_what_is_refused_leaves_the_model_as_it_was(name, value, match):
    model = defended(networks.sequential())
    before = getattr(model, name)
    with pytest.raises(ValueError, match=match):
        setattr(model, name, value)
    assert getattr(model, name) == before


@pytest.mark.parametrize("use", ["fit", "evaluate", "craft"])
def test_numbers_set_on_an_attack_are_checked_where_it_is_used(use):
    model = compiled()
    model.attack.epsilon = 8
    before = flat_weights(model.base)
    with pytest.raises(ValueError, match="did you mean 8 / 255"):
        getattr(model, use)(X, Y)
    np.testing.assert_array_equal(flat_weights(model.base), before)


def bent(model):
    model.base.get_layer("last").activation = keras.activations.sigmoid


def with_lora(model):
    head = model.base.get_layer("head")
    head.enable_lora(2)
    kernel = np.random.default_rng(0).normal(size=(2, networks.NUM_CLASSES))
    head.lora_kernel_b.assign(kernel)


@pytest.mark.parametrize("change", [bent, with_lora])
def test_attacks_and_maps_see_the_network_as_it_is(change):
    model = compiled()
    model.fit(X, Y, verbose=0)
    before = to_numpy(model.craft(X, Y)), to_numpy(model.attention_map(X, Y))
    change(model)
    model.compile("sgd", metrics=["accuracy"])
    crafted = to_numpy(model.craft(X, Y))
    maps = to_numpy(model.attention_map(X, Y))
    expected = to_numpy(kad.attacks.FGSM(16 / 255)(model.base, X, Y))
    np.testing.assert_allclose(crafted, expected, atol=1e-6)
    other = kad.AttentionDefendedModel(model.base).attention_map(X, Y)
    np.testing.assert_allclose(maps, to_numpy(other), rtol=1e-3, atol=1e-5)
    assert abs(before[0] - crafted).max() > 0.01
    assert abs(before[1] - maps).max() > 1e-3


def test_a_mask_at_a_random_place_draws_again_in_each_step():
    mask = kad.attention.AttentionMask(place="random", seed=2)
    model = defended(networks.sequential(), mask=mask)
    model.compile(keras.optimizers.SGD(0.0))
    logs = model.fit(X, Y, 8, 4, shuffle=False, verbose=0).history
    assert len(set(np.round(logs["rectification_loss"], 7))) > 1
    plain = defended(networks.sequential())
    plain.compile(keras.optimizers.SGD(0.0))
    fixed = plain.fit(X, Y, 8, 4, shuffle=False, verbose=0).history
    assert len(set(np.round(fixed["rectification_loss"], 7))) == 1
