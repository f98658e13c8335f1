"""What is sent to workers is there what it was here."""

import functools
import threading

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.distributed import parcel
from keras_attn_defense.distributed.worker import check_arrived
from keras_attn_defense.evaluation.fingerprint import contents
from keras_attn_defense.evaluation.runner import EvaluationRunner
from tests import networks
from tests.testing import to_numpy

pytest.importorskip("ray")
pytestmark = pytest.mark.once

X, Y = networks.images_and_labels()


def own_layer():
    """A layer whose class is known to nobody, as that of a program is."""

    def __init__(self, factor=1.0, **kwargs):
        layers.Layer.__init__(self, **kwargs)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs

    def get_config(self):
        return {**layers.Layer.get_config(self), "factor": self.factor}

    return type(
        "Own",
        (layers.Layer,),
        {
            "__module__": "__main__",
            "__init__": __init__,
            "call": call,
            "get_config": get_config,
        },
    )


def behind(layer):
    inputs = keras.Input(X.shape[1:])
    return keras.Model(inputs, networks.functional()(layer(inputs)))


def doubled(images):
    return 2.0 * images


def function_of_images():
    model, shift = networks.functional(), np.float32(0.25)
    return lambda images: model(images) + shift


def layer_approximated():
    model = behind(layers.Rescaling(0.5, name="half"))
    return kad.attacks.BPDA(model, model.get_layer("half"), ops.abs)


MODELS = {
    "functional": networks.functional,
    "own layer": lambda: behind(own_layer()(0.5)),
    "own activation": lambda: behind(layers.Activation(doubled)),
    "defended": lambda: kad.AttentionDefendedModel(networks.functional()),
    "function": function_of_images,
    "partial": lambda: functools.partial(networks.functional()),
    "BPDA": lambda: kad.attacks.BPDA(networks.functional(), doubled, ops.abs),
    "BPDA of a layer inside": layer_approximated,
    "defense": lambda: kad.defenses.defend(
        networks.functional(), kad.defenses.BitDepthReduction(3)
    ),
}


def first_rows(model, images, labels):
    return images[:, ::-1]


def ensemble():
    source = networks.functional(seed=5)
    return kad.attacks.EnsembleAttack([source], kad.attacks.FGSM())


ATTACKS = {
    "PGD": lambda: kad.attacks.PGD(0.1, steps=2, seed=3),
    "Square": lambda: kad.attacks.Square(queries=7, seed=3),
    "AutoAttack": lambda: kad.attacks.AutoAttack(seed=3),
    "ensemble": ensemble,
    "function": lambda: kad.adapters.from_function(first_rows, seed=3),
    "closure": lambda: kad.adapters.from_function(lambda *batch: batch[1]),
}


def sent(model, attack):
    """A runner, and what another process makes of it."""
    runner = EvaluationRunner(
        model, {"attack": attack}, 0.1, norm="linf", value_range=None, **SIZES
    )
    other = parcel.unpacked(parcel.packed(runner))
    for each in (runner, other):
        each.try_out(X)
    return runner, other


SIZES = {"batch_size": 4, "seed": 7}


@pytest.mark.everywhere
@pytest.mark.parametrize("kind", MODELS)
def test_models_arrive(kind):
    runner, other = sent(MODELS[kind](), kad.attacks.FGSM())
    assert other.victim is not runner.victim
    expected = contents(runner.victim, runner.entries)
    check_arrived(expected, contents(other.victim, other.entries))
    logits = [each.predictor.logits(X) for each in (runner, other)]
    np.testing.assert_array_equal(*logits)
    assert other.threat == runner.threat and other.seed == 7


@pytest.mark.everywhere
@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_arrive(name):
    runner, other = sent(networks.functional(), ATTACKS[name]())
    expected = contents(runner.victim, runner.entries)
    check_arrived(expected, contents(other.victim, other.entries))
    if name in ("PGD", "function"):
        found = [
            each._attacks["attack"].run(each.victim, X[:8], Y[:8]).images
            for each in (runner, other)
        ]
        np.testing.assert_array_equal(*found)


def test_layers_inside_of_a_model_stay_inside():
    view = parcel.unpacked(parcel.packed(layer_approximated()))
    assert view.preprocessing is view.model.get_layer("half")


def test_seeds_of_layers_arrive():
    model = behind(layers.GaussianNoise(0.1, seed=3))
    (generator,) = model.layers[1]._seed_generators
    generator.next()
    other = parcel.unpacked(parcel.packed(model))
    (same,) = other.layers[1]._seed_generators
    np.testing.assert_array_equal(
        to_numpy(same.state), to_numpy(generator.state)
    )


def test_what_is_used_twice_arrives_once():
    model = networks.functional()
    attack = kad.attacks.EnsembleAttack([model], kad.attacks.FGSM())
    _, other = sent(model, attack)
    assert other._attacks["attack"].models == [other.model]


def test_lost_attributes_are_noticed():
    class Forgetful(own_layer()):
        def get_config(self):
            return layers.Layer.get_config(self)

    model = behind(Forgetful(0.5))
    runner, other = sent(model, kad.attacks.FGSM())
    expected = contents(runner.victim, runner.entries)
    with pytest.raises(ValueError, match="changed on the way.*model_checksum"):
        check_arrived(expected, contents(other.victim, other.entries))


def test_what_cannot_be_sent_is_said_before_anything_starts():
    lock, model = threading.Lock(), networks.functional()

    def locked(images):
        with lock:
            return model(images)

    with pytest.raises(ValueError, match="cannot be sent to workers.*`shard`"):
        kad.evaluate_robustness(
            locked,
            X,
            Y,
            attacks="fgsm",
            checks=False,
            workers=kad.distributed.Ray(2),
            verbose=0,
        )


def test_views_know_their_models():
    view = parcel.unpacked(parcel.packed(as_classifier(networks.functional())))
    assert view.num_classes == networks.NUM_CLASSES
    assert view.declared == []
