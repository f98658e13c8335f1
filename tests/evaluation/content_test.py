"""What content a digest tells apart, and what it does not depend on."""

import functools
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.evaluation.content import Content
from tests import networks

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]


def digest(value):
    content = Content()
    content.add(value, "value")
    return content.hexdigest()


def unknown(value):
    content = Content()
    content.add(value, "value")
    return content.unknown


class Scale(layers.Layer):
    """A layer without weights whose author forgot `get_config`."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs


class Shift(layers.Layer):
    """A layer whose configuration leaves something out."""

    amount = 0.0

    def call(self, inputs):
        return inputs + self.amount


def model(*middle, seed=0, activation="relu"):
    found = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            *middle,
            layers.Conv2D(3, 3, activation=activation),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    return networks.set_weights(found, seed)


def shifted(amount):
    layer = Shift()
    layer.amount = amount
    return layer


DIFFERENT = {
    "weights": (model, lambda: model(seed=1)),
    "activations": (model, lambda: model(activation="tanh")),
    "parameterless layers": (model, lambda: model(layers.Rescaling(1.0))),
    "settings of them": (
        lambda: model(layers.Rescaling(0.5)),
        lambda: model(layers.Rescaling(0.25)),
    ),
    "layers that cannot be saved": (
        lambda: model(Scale(1.0)),
        lambda: model(Scale(2.0)),
    ),
    "settings that are not saved": (
        lambda: model(shifted(0.0)),
        lambda: model(shifted(0.1)),
    ),
    "lambdas": (
        lambda: model(layers.Lambda(lambda x: x + 1.0)),
        lambda: model(layers.Lambda(lambda x: x + 2.0)),
    ),
    "order": (
        lambda: model(layers.Rescaling(0.5), layers.ReLU()),
        lambda: model(layers.ReLU(), layers.Rescaling(0.5)),
    ),
    "subclassed models": (
        networks.subclassed,
        lambda: networks.subclassed("softmax"),
    ),
    "functions around models": (
        lambda: functools.partial(ops.multiply, model()),
        lambda: functools.partial(ops.multiply, model(seed=1)),
    ),
    "attacks": (
        lambda: kad.attacks.PGD(steps=3),
        lambda: kad.attacks.PGD(steps=4),
    ),
    "objectives": (
        lambda: kad.attacks.PGD(objective=first),
        lambda: kad.attacks.PGD(objective=second),
    ),
    "models that attacks use": (
        lambda: kad.attacks.EnsembleAttack([model()]),
        lambda: kad.attacks.EnsembleAttack([model(seed=1)]),
    ),
    "functions as attacks": (
        lambda: kad.adapters.from_function(first, name="one"),
        lambda: kad.adapters.from_function(second, name="one"),
    ),
    "arrays": (lambda: np.zeros(3), lambda: np.zeros((3, 1))),
    "types": (lambda: 1, lambda: 1.0),
    "named arguments": (
        lambda: functools.partial(first, labels=1),
        lambda: functools.partial(first, labels=2),
    ),
    "methods": (lambda: Scale(1.0).call, lambda: Scale(2.0).call),
    "classes of equal name": (lambda: twin_class(1)(), lambda: twin_class(2)()),
}


def first(logits, labels):
    return -logits[:, 0]


def second(logits, labels):
    return -logits[:, 1]


def twin_class(number):
    class Twin:
        def value(self):
            return number

    return Twin


@pytest.mark.everywhere
@pytest.mark.filterwarnings("ignore:The object being serialized")
@pytest.mark.parametrize("kind", DIFFERENT)
def test_tells_apart(kind):
    one, other = DIFFERENT[kind]
    assert digest(one()) == digest(one())
    assert digest(one()) != digest(other())


def test_closures_and_defaults_count():
    def maker(factor):
        return lambda x: factor * x

    assert digest(maker(2.0)) == digest(maker(2.0))
    assert digest(maker(2.0)) != digest(maker(3.0))
    inside = model()
    assert digest(maker(inside)) != digest(maker(model(seed=1)))
    assert digest(maker(inside)) == digest(maker(model()))

    def by_default(x, factor=2.0):
        return factor * x

    def otherwise(x, factor=3.0):
        return factor * x

    assert digest(by_default) != digest(otherwise)


GLOBAL = [1.0]


def reads_a_global(x):
    return x + GLOBAL[0]


def reads_a_global_inside(x):
    return (lambda: x + GLOBAL[0])()


@pytest.mark.parametrize("function", [reads_a_global, reads_a_global_inside])
def test_globals_that_a_function_reads_count(function, monkeypatch):
    before = digest(function)
    assert digest(function) == before
    monkeypatch.setitem(globals(), "GLOBAL", [2.0])
    assert digest(function) != before


def test_names_do_not_count():
    one, other = model(), model()
    assert one.layers[0].name != other.layers[0].name
    assert digest(one) == digest(other)
    attack = kad.attacks.PGD(name="mine")
    assert digest(attack) == digest(kad.attacks.PGD())


def test_use_does_not_count():
    attack, network = kad.attacks.PGD(steps=1, seed=0), networks.stateful()
    before = digest([attack, network])
    x, y = networks.images_and_labels(2)
    attack(network, x, y)
    network.predict(x, verbose=0)
    attack.reseed(5)
    assert digest([attack, network]) == before


def test_what_is_not_known_is_named():
    import foolbox

    attack = foolbox.attacks.LinfPGD(steps=2)
    wrapped = kad.adapters.from_foolbox(attack, 0.1)
    (found,) = unknown(wrapped)
    assert "foolbox" in found and "LinfProjectedGradientDescent" in found
    assert unknown(model()) == unknown(kad.attacks.PGD()) == []


def test_values_that_hold_themselves():
    endless = [1]
    endless.append(endless)
    assert digest(endless) != digest([1, [1]])


def test_equal_in_every_process():
    program = (
        "from tests.evaluation import content_test as t; print("
        "t.digest([t.model(t.Scale(2.0)), t.first, {'a', 'b', 'c'},"
        "t.kad.attacks.APGD(objective=t.first)]))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        # Not that of this process, which is random.
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    own = digest(
        [
            model(Scale(2.0)),
            first,
            {"a", "b", "c"},
            kad.attacks.APGD(objective=first),
        ]
    )
    assert own == other and len(own) == 64
