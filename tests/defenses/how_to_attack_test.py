"""Attacks do what layers declare, without being told."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.adapters.differentiable_logits import (
    DifferentiableLogits,
)
from keras_attn_defense.attacks import APGD
from keras_attn_defense.attacks import FAB
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import CarliniWagner
from keras_attn_defense.attacks import DeepFool
from keras_attn_defense.attacks import Square
from keras_attn_defense.attacks.engine.image_gradient import image_gradient
from keras_attn_defense.attacks.objectives import AttentionDeviation
from keras_attn_defense.attacks.objectives import ExpectationOverTransformation
from keras_attn_defense.attacks.objectives import ImageObjective
from keras_attn_defense.attacks.objectives import margin
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.defenses import HowToAttack
from tests import networks
from tests.testing import assert_same_state
from tests.testing import no_gradients
from tests.testing import state
from tests.testing import to_numpy

X, Y = networks.images_and_labels(4)


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Coarse(layers.Layer):
    """Rounds to tenths; how it has to be attacked is an attribute."""

    how = HowToAttack(substitute=lambda x: x**2)

    def call(self, inputs):
        return ops.round(inputs * 10.0) / 10.0

    def how_to_attack(self):
        return self.how


def coarse(how=None, position="before"):
    layer = Coarse(name="coarse")
    if how is not None:
        layer.how = how
    network = networks.functional()
    inputs = keras.Input(networks.IMAGE_SHAPE)
    if position == "before":
        return keras.Model(inputs, network(layer(inputs))), network
    return keras.Model(inputs, layer(network(inputs))), network


def gradient(victim, x=X):
    labels = ops.convert_to_tensor(Y)
    with no_gradients():
        return to_numpy(
            image_gradient(
                as_classifier(victim).frozen_logits,
                lambda logits: margin(logits, labels),
                ops.convert_to_tensor(x),
            )[1]
        )


def random_model(draws=5):
    """A random mask in front of a linear network, which says so."""
    model, plain = networks.masked_linear(0.5, classes=4)
    (mask,) = (e for e in model.layers if isinstance(e, networks.Mask))
    if draws:
        mask.how_to_attack = lambda: HowToAttack(draws=draws)
    return model, plain


def test_values_stay_and_gradients_are_those_of_the_substitute():
    model, network = coarse()
    before = state(model)
    rounded = np.round(X * 10.0) / 10.0

    view = as_classifier(model)
    for logits in (view.logits, view.frozen_logits):
        np.testing.assert_array_equal(
            to_numpy(logits(ops.convert_to_tensor(X))), to_numpy(model(X))
        )
    expected = gradient(network, rounded.astype("float32")) * 2 * X
    np.testing.assert_allclose(gradient(model), expected, rtol=1e-4, atol=1e-8)
    assert_same_state(before, state(model))


def test_substitute_that_replaces_the_values():
    how = HowToAttack(substitute=lambda z: z / 40.0, replaces=True)
    model, network = coarse(how, position="after")

    view = as_classifier(model)
    logits = to_numpy(network(X))
    x = ops.convert_to_tensor(X)
    np.testing.assert_allclose(
        to_numpy(view.frozen_logits(x)), logits / 40, atol=1e-6
    )
    np.testing.assert_array_equal(to_numpy(view.logits(x)), to_numpy(model(x)))
    np.testing.assert_allclose(
        gradient(model), gradient(network) / 40, rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("attack", [PGD(0.3, steps=5), APGD(0.3, steps=5)])
def test_attacks_ask_the_layers(attack):
    model, network = coarse(HowToAttack(substitute=lambda x: x))
    y = to_numpy(model(X)).argmax(-1).astype("int32")
    x_adv = to_numpy(attack(model, X, y))
    assert (to_numpy(model(x_adv)).argmax(-1) != y).all()


@pytest.mark.once
def test_what_was_given_by_hand_comes_first():
    model, network = coarse()
    rounded = (np.round(X * 10.0) / 10.0).astype("float32")
    by_hand = kad.attacks.BPDA(model, "coarse", lambda x: x**3)
    expected = gradient(network, rounded) * 3 * X**2
    np.testing.assert_allclose(
        gradient(by_hand), expected, rtol=1e-4, atol=1e-8
    )


@pytest.mark.once
def test_other_libraries_get_the_substitutes():
    model, _ = coarse()
    logits = DifferentiableLogits(model)
    weights = np.eye(4, dtype="float32")[Y]
    for rows, _, gradient_of in logits.batches(X, 4):
        theirs = gradient_of(weights[rows])
    assert np.abs(theirs).max() > 1e-4


def test_layer_that_changes_its_mind():
    # Compiled code is not that of another declaration.
    model, network = coarse(HowToAttack(substitute=lambda x: x))
    layer = model.get_layer("coarse")
    attack = PGD(0.1, steps=1, random_start=False)
    first = to_numpy(attack(model, X, Y))
    layer.how = HowToAttack(substitute=lambda x: -x)
    second = to_numpy(attack(model, X, Y))
    assert abs(first - second).max() > 0.05
    np.testing.assert_allclose(first - X, X - second, atol=1e-6)


def test_draws_are_those_of_an_expectation():
    declared, _ = random_model(5)
    silent, _ = random_model(None)
    settings = {"epsilon": 0.1, "steps": 3, "random_start": False}
    objective = ExpectationOverTransformation(samples=5)
    before = state(declared)

    by_itself = PGD(**settings).run(declared, X, Y)
    by_hand = PGD(**settings, objective=objective).run(silent, X, Y)

    np.testing.assert_array_equal(by_itself.images, by_hand.images)
    for result in (by_itself, by_hand):
        assert (result.forward_passes == 15).all()
        assert (result.backward_passes == 15).all()
    one_draw = PGD(**settings).run(silent, X, Y)
    assert abs(one_draw.images - by_itself.images).max() > 0.05
    assert_same_state(before, state(declared))


def test_gradient_is_the_mean_of_draws():
    model, _ = random_model(3)
    view = as_classifier(model)
    objective = kad.attacks.objectives.Margin()
    x, y = ops.convert_to_tensor(X), ops.convert_to_tensor(Y)
    with no_gradients():
        values, slope, logits = objective.value_and_gradient(view, x, y, {})
        single = [
            objective.value_and_gradient(
                view.in_one_draw().with_draw(number), x, y, {}
            )
            for number in range(3)
        ]
    for place, found in ((0, values), (1, slope)):
        expected = np.mean([to_numpy(each[place]) for each in single], axis=0)
        np.testing.assert_allclose(to_numpy(found), expected, atol=1e-6)
    probabilities = [to_numpy(ops.softmax(each[2])) for each in single]
    np.testing.assert_allclose(
        np.exp(to_numpy(logits)), np.mean(probabilities, axis=0), atol=1e-6
    )


class Squares(ImageObjective):
    def call_on_images(self, victim, x, labels, reference):
        logits = victim.frozen_logits(x)
        return ops.sum(logits**2, axis=-1), logits


@pytest.mark.once
@pytest.mark.parametrize(
    "attack, passes",
    [
        (PGD(0.1, steps=2, restarts=2), (2 * 15, 20)),
        (PGD(0.1, steps=2, objective=Squares()), (10, 10)),
        (APGD(0.1, steps=3), None),
        (FAB(steps=2, norm="l2"), None),
        (DeepFool(steps=2), None),
        (
            CarliniWagner(
                steps=20,
                learning_rate=0.1,
                initial_const=10.0,
                binary_search_steps=1,
            ),
            None,
        ),
        (Square(0.1, queries=3), None),
    ],
    ids=str,
)
def test_each_attack_averages(attack, passes):
    model, plain = random_model(5)
    y = to_numpy(plain(X)).argmax(-1).astype("int32")
    attack.reseed(0)
    result = attack.run(model, X, y)
    attack.reseed(0)
    single = attack.run(random_model(None)[0], X, y)
    assert np.isfinite(result.images).all()
    if passes is not None:
        assert (result.forward_passes == passes[0]).all()
        assert (result.backward_passes == passes[1]).all()
    elif attack.black_box:
        # It takes each answer as it comes.
        np.testing.assert_array_equal(result.images, single.images)
    else:
        assert abs(result.images - single.images).max() > 1e-3
        assert (result.forward_passes % 5 == 0).all()
        assert (result.backward_passes % 5 == 0).all()


@pytest.mark.once
def test_attention_objective_averages():
    model = networks.sequential()
    mask = networks.Mask(0.3)
    mask.how_to_attack = lambda: HowToAttack(draws=4)
    inputs = keras.Input(networks.IMAGE_SHAPE)
    random = keras.Model(inputs, model(mask(inputs)))
    view = as_classifier(random)
    objective = AttentionDeviation(weight=1.0)
    task = kad.attacks.Task(
        view, ops.convert_to_tensor(X), ops.convert_to_tensor(Y), 0.1, (0, 1)
    )
    with no_gradients():
        reference = objective.reference(task)
        values = [
            to_numpy(
                objective.value_and_gradient(
                    each, task.images + 0.05, task.labels, reference
                )[0]
            )
            for each in (
                view,
                *(view.in_one_draw().with_draw(i) for i in range(4)),
            )
        ]
    np.testing.assert_allclose(values[0], np.mean(values[1:], 0), rtol=1e-5)
    assert np.std(values[1:], 0).min() > 0


@pytest.mark.once
def test_ensembles_take_the_most_draws():
    members = [random_model(draws)[0] for draws in (2, 7)]
    attack = kad.attacks.EnsembleAttack(members, PGD(0.1, steps=1))
    (view,) = attack._views(as_classifier(networks.linear()))
    assert view.draws == 7 and view.in_one_draw().draws == 1


def test_training_takes_one_draw():
    model, _ = random_model(50)
    seen = []

    class Watching(kad.attacks.FGSM):
        def perturb(self, victim, images, *args, **kwargs):
            seen.append(victim.draws)
            return super().perturb(victim, images, *args, **kwargs)

    defended = kad.AttentionDefendedModel(
        model,
        Watching(0.1),
        validation_attack=None,
        rectification_weight=0.0,
        preservation_weight=0.0,
    )
    defended.compile("sgd")
    defended.fit(X, Y, verbose=0)
    assert seen and set(seen) == {1}
    assert as_classifier(model).draws == 50


@pytest.mark.once
@pytest.mark.parametrize(
    "how, message",
    [
        (None, "should return a `kad.defenses.HowToAttack`"),
        (HowToAttack(draws=0), "draws of the layer 'coarse'"),
        (HowToAttack(substitute="identity"), "should be a function or None"),
    ],
)
def test_bad_declaration(how, message):
    model, _ = coarse()
    model.get_layer("coarse").how = how
    with pytest.raises(ValueError, match=message):
        PGD(0.1)(model, X, Y)


@pytest.mark.once
def test_substitute_of_another_shape():
    model, _ = coarse(HowToAttack(substitute=lambda x: x[:, :4]))
    with pytest.raises(ValueError, match="layer 'coarse' gives values"):
        PGD(0.1)(model, X, Y)
