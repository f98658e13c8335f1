"""Tests that attacks and maps see a network as it is, compiled or not."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import BPDA
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import EnsembleAttack
from keras_attn_defense.attention import GradCAM
from keras_attn_defense.attention import Occlusion
from keras_attn_defense.attention.compiled_method import CompiledMethod
from keras_attn_defense.classifier import Classifier
from keras_attn_defense.classifier.predictor import Predictor
from tests import networks
from tests.testing import BACKEND
from tests.testing import to_numpy

X, Y = networks.images_and_labels()


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Tempered(layers.Layer):
    """Scales and bends its input; the scale is a Python number."""

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"temperature": [temperature]}

    def call(self, inputs):
        return ops.sin(inputs * self.settings["temperature"][0])

    def get_config(self):
        temperature = self.settings["temperature"][0]
        return {**super().get_config(), "temperature": temperature}


def tempered():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="c")(inputs)
    x = layers.GlobalAveragePooling2D()(Tempered(2.0, name="tempered")(x))
    x = layers.Dense(4, name="head")(x)
    return networks.set_weights(keras.Model(inputs, x), 11)


def add_lora(model):
    head = model.get_layer("head")
    head.enable_lora(2)
    generator = np.random.default_rng(0)
    for variable in (head.lora_kernel_a, head.lora_kernel_b):
        variable.assign(generator.normal(size=variable.shape))


def freeze(model):
    model.layers[1].trainable = False


def cool(model):
    model.get_layer("tempered").settings["temperature"][0] = 9.0


def bend(model):
    model.layers[1].activation = keras.activations.tanh


def end_in_softmax(model):
    model.layers[-1].activation = keras.activations.softmax


def replace_layer(model):
    replaced = layers.Conv2D(4, 3, activation="tanh", name="last")
    replaced.build((None, 6, 6, 4))
    kernel = np.random.default_rng(1).normal(size=replaced.kernel.shape)
    replaced.kernel.assign(kernel)
    # Keras takes no new layers once a model is built.
    model._tracker.unlock()
    model.last = replaced


CHANGES = {
    "lora": (tempered, add_lora),
    "int8": (tempered, lambda model: model.get_layer("head").quantize("int8")),
    "activation": (tempered, bend),
    "ending": (tempered, end_in_softmax),
    "frozen": (tempered, freeze),
    "attribute": (tempered, cool),
    "replaced": (networks.subclassed, replace_layer),
    "weights": (tempered, lambda model: networks.set_weights(model, 12)),
}
SAME = {"frozen", "ending"}  # What they change does not move images or maps.


@pytest.fixture(params=CHANGES)
def changed(request):
    """A network, what changes it, and whether results change."""
    build, change = CHANGES[request.param]
    return build(), change, request.param not in SAME


def test_an_attack_sees_the_network_as_it_is(changed):
    model, change, changes = changed
    attack = FGSM(0.5, norm="l2")  # Its images tell small changes.
    before = to_numpy(attack(model, X, Y))

    change(model)

    after = to_numpy(attack(model, X, Y))
    fresh = FGSM(0.5, norm="l2")
    np.testing.assert_array_equal(after, to_numpy(fresh(model, X, Y)))
    assert np.allclose(before, after, atol=1e-6) != changes


def test_maps_and_predictions_see_the_network_as_it_is(changed):
    model, change, changes = changed
    compiled = CompiledMethod(GradCAM(), Classifier(model))
    occlusion = Occlusion(4, 4, model=model)
    predictor = Predictor(Classifier(model), 4)
    before = [to_numpy(compiled(X, Y)[1]), to_numpy(occlusion(X, Y))]
    predictor.logits(X)

    change(model)

    after = [to_numpy(compiled(X, Y)[1]), to_numpy(occlusion(X, Y))]
    fresh = CompiledMethod(GradCAM(), Classifier(model))
    expected = [
        to_numpy(fresh(X, Y)[1]),
        to_numpy(Occlusion(4, 4, model=model)(X, Y)),
    ]
    for old, new, now in zip(before, after, expected, strict=True):
        np.testing.assert_array_equal(new, now)
        assert np.allclose(old, new, atol=1e-5) != changes
    np.testing.assert_array_equal(
        predictor.logits(X), Predictor(Classifier(model), 4).logits(X)
    )


def test_source_models_are_attacked_as_they_are():
    source, model = tempered(), networks.functional()
    attack = EnsembleAttack([source], FGSM(0.1))
    before = to_numpy(attack(model, X, Y))

    bend(source)

    after = to_numpy(attack(model, X, Y))
    np.testing.assert_array_equal(after, to_numpy(FGSM(0.1)(source, X, Y)))
    assert (before != after).any()


def test_a_preprocessing_is_attacked_as_it_is():
    levels = Tempered(5.0)
    view = BPDA(tempered(), levels)
    attack = FGSM(0.1)
    before = to_numpy(attack(view, X, Y))

    levels.settings["temperature"][0] = 1.0

    after = to_numpy(attack(view, X, Y))
    np.testing.assert_array_equal(after, to_numpy(FGSM(0.1)(view, X, Y)))
    assert (before != after).any()


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class FarFrom(kad.attacks.objectives.ImageObjective):
    """How far the logits are from those of another model."""

    def __init__(self, other):
        self.other = other

    def call_on_images(self, victim, x, labels, reference):
        logits = victim.frozen_logits(x)
        return ops.sum(ops.square(logits - self.other(x)), axis=-1), logits


@pytest.mark.parametrize("further", ["objective", "function"])
def test_a_further_model_is_read_as_it_is(further):
    model, other = tempered(), networks.functional(seed=4)
    objective = FarFrom(other)
    if further == "function":
        other = keras.Sequential([keras.Input((4,)), layers.Dense(1)])

        def objective(logits, labels):
            return other(logits)[:, 0] ** 2

    attack = FGSM(0.5, norm="l2", objective=objective)
    before = to_numpy(attack(model, X, Y))

    networks.set_weights(other, 12)

    after = to_numpy(attack(model, X, Y))
    fresh = FGSM(0.5, norm="l2", objective=objective)
    np.testing.assert_array_equal(after, to_numpy(fresh(model, X, Y)))
    assert not np.allclose(before, after, atol=1e-4)


def test_an_attack_obeys_what_is_set_later():
    model, attack = tempered(), PGD(0.1, steps=1, random_start=False)
    before = to_numpy(attack(model, X, Y))

    attack.steps = 3

    after = to_numpy(attack(model, X, Y))
    fresh = PGD(0.1, steps=3, random_start=False)
    np.testing.assert_array_equal(after, to_numpy(fresh(model, X, Y)))
    assert (before != after).any()


class Counted:
    """The cross-entropy, which counts how often it is traced."""

    def __init__(self):
        self.traces = 0

    def __call__(self, logits, labels):
        self.traces += 1
        chosen = ops.one_hot(labels, logits.shape[-1])
        return -ops.sum(chosen * ops.log_softmax(logits), axis=-1)


needs_compilation = pytest.mark.skipif(
    BACKEND == "torch", reason="PyTorch traces nothing."
)


@needs_compilation
def test_code_is_kept_while_the_network_stays_the_same():
    models = [tempered(), networks.functional(), networks.stateful()]
    counted = Counted()
    attack = FGSM(0.1, objective=counted)
    for model in models:
        attack(model, X, Y)
    first = counted.traces

    for model in models:
        networks.set_weights(model, 12)
        model(X)
        model.predict(X, verbose=0)
        model.compile("sgd", "mse")
        attack(model, X, Y)
        attack.with_epsilon(0.2)(model, X, Y)

    assert counted.traces == first


class CountsItself(layers.Layer):
    """Notes how often Python runs it, as layers of users do."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0
        self.shapes = []
        self.built = True

    def call(self, inputs):
        self.calls += 1
        self.shapes.append(tuple(inputs.shape))
        return inputs


@needs_compilation
def test_bookkeeping_of_layers_compiles_nothing_again():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), CountsItself(), networks.functional()]
    )
    counted = Counted()
    attack = FGSM(0.1, objective=counted)
    attack(model, X, Y)
    first = counted.traces

    for _ in range(3):
        attack(model, X, Y)
        model(X)

    assert counted.traces == first


@needs_compilation
def test_the_last_few_networks_alone_are_kept_alive():
    attack, alive = FGSM(0.1), []
    for _ in range(6):
        model = networks.linear()
        attack(model, X, Y)
        alive.append(weakref.ref(model))
        del model
    keras.utils.clear_session()
    gc.collect()

    assert [each() is not None for each in alive] == [False] * 2 + [True] * 4


def test_a_network_is_not_kept_alive_by_what_is_known_of_it():
    model = networks.subclassed()
    model.bound = model.summary
    Classifier(model)
    alive = weakref.ref(model)
    del model
    keras.utils.clear_session()
    gc.collect()

    assert alive() is None
