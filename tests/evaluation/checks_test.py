"""Each check is tripped by a model built for it; an honest one trips none."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense._backend import vjp
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from keras_attn_defense.attacks import Square
from keras_attn_defense.classifier import as_classifier
from keras_attn_defense.classifier.predictor import Predictor
from keras_attn_defense.evaluation.checks import CHECKS
from keras_attn_defense.evaluation.checks import Context
from tests import networks
from tests.evaluation.helpers import IMAGE_SHAPE
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import images_of

pytestmark = pytest.mark.once

NAMES = list(CHECKS)


def suite():
    return {
        "fgsm": FGSM(),
        "pgd": PGD(steps=4, random_start=False),
        "square": few_queries(),
    }


def few_queries():
    return Square(queries=20, rescale_schedule=True, seed=0)


def evaluate(model, images=IMAGES, labels=LABELS, **arguments):
    arguments = {
        "attacks": suite(),
        "epsilons": 0.1,
        "batch_size": 32,
        "verbose": 0,
        **arguments,
    }
    return kad.evaluate_robustness(model, images, labels, **arguments)


def context_of(model, images=IMAGES, labels=LABELS, **arguments):
    report = evaluate(model, images, labels, checks=False, **arguments)
    predictor = Predictor(as_classifier(model), 32)
    drawn = np.arange(len(images)), images, labels
    return Context(predictor, report._records, drawn, 0)


def is_raised(name, *args, **arguments):
    """Makes one check only."""
    return CHECKS[name](context_of(*args, **arguments))[0]


@pytest.mark.everywhere
def test_honest_model_trips_none():
    flags = evaluate(brightness()).flags
    assert [flag.name for flag in flags] == NAMES
    assert {flag.raised for flag in flags} == {False}
    assert all(flag.sentence.endswith(".") for flag in flags)


@pytest.mark.slow
def test_honest_model_with_attacks_that_the_checks_have_to_add():
    context = context_of(brightness(), attacks=few_queries())
    for name in (
        "single-step beats iterative",
        "black-box beats white-box",
        "huge epsilon is survived",
        "accuracy does not fall with epsilon",
    ):
        assert not CHECKS[name](context)[0], name


def with_layer(layer, scale=20.0, last=False):
    """The honest model with a layer before or after it."""
    inputs = keras.Input(IMAGE_SHAPE)
    if last:
        outputs = layer(brightness(scale)(inputs))
    else:
        outputs = brightness(scale)(layer(inputs))
    return keras.Model(inputs, outputs)


class HiddenSoftmax(layers.Layer):
    """A softmax that nobody finds."""

    def call(self, inputs):
        return ops.softmax(inputs)


def test_hidden_softmax():
    model = with_layer(HiddenSoftmax(), last=True)
    assert is_raised("outputs are probabilities", model, attacks=FGSM())


def test_probabilities_for_logits():
    # It ends in a linear layer, which changes nothing.
    inputs = keras.Input(IMAGE_SHAPE)
    linear = layers.Dense(2, use_bias=False, kernel_initializer="identity")
    outputs = linear(ops.softmax(brightness()(inputs)))
    model = keras.Model(inputs, outputs)
    assert is_raised("outputs are probabilities", model, attacks=FGSM())


class Noise(layers.Layer):
    """Noise in inference too."""

    def __init__(self, stddev):
        super().__init__()
        self.stddev = stddev
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, inputs):
        noise = keras.random.normal(
            ops.shape(inputs), stddev=self.stddev, seed=self.seed_generator
        )
        return inputs + noise


def test_noise():
    model = with_layer(Noise(0.05))
    before = [np.array(ops.convert_to_numpy(v)) for v in model.variables]
    assert is_raised("randomness in inference", model, attacks=FGSM())
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(variable))


class Purification(layers.Layer):
    """Makes images smoother by gradient steps before they are classified."""

    def call(self, inputs):
        def roughness(images):
            middle = ops.mean(images, axis=(1, 2), keepdims=True)
            return ops.sum(ops.square(images - middle), axis=(1, 2, 3))

        values, pullback = vjp(roughness, inputs)
        return inputs - 0.1 * pullback(ops.ones_like(values))


def test_purification():
    model = with_layer(Purification())
    assert is_raised("optimization at inference", model, attacks=FGSM())


def test_huge_logits():
    # Softmax is one or zero to the last bit, and the cross-entropy flat.
    report = evaluate(brightness(scale=1e5))
    found = {flag.name: flag.raised for flag in report.flags}
    for name in (
        "vanishing gradients",
        "black-box beats white-box",
        "huge epsilon is survived",
        "accuracy does not fall with epsilon",
    ):
        assert found[name], name
    assert report.to_dict()["unreliable"] is True
    assert "gradient of zero" in report.to_dict()["footnote"]


class Rounding(layers.Layer):
    """Sixteen levels of gray: no gradient."""

    def call(self, inputs):
        return ops.round(inputs * 15.0) / 15.0


def test_rounding():
    model = with_layer(Rounding())
    assert is_raised("vanishing gradients", model, attacks=few_queries())


def test_too_few_steps():
    attack = PGD(0.1, step_size=0.005, steps=2, seed=0)
    assert is_raised("loss still rises", brightness(), attacks=attack)


class Ripples(layers.Layer):
    """Adds hills and valleys to the margin: steps along it get caught."""

    def call(self, logits):
        height = logits[:, 1:]
        ripple = 0.02 * ops.cos(2 * np.pi * (height - 0.02) / 0.04)
        return 50.0 * ops.concatenate([-height, height + ripple], axis=-1)


def test_ripples():
    model = with_layer(Ripples(), scale=1.0, last=True)
    images, labels = images_of([0.56] * 8), np.ones(8, "int64")
    attacks = {"fgsm": FGSM(), "pgd": PGD(steps=10, seed=0)}
    name = "single-step beats iterative"
    assert is_raised(
        name, model, images, labels, attacks=attacks, epsilons=0.08
    )


def test_not_checked_has_a_reason():
    report = evaluate(brightness(), labels=1 - LABELS, attacks=FGSM())
    reasons = {f.name: f.sentence for f in report.flags if f.raised is None}
    assert reasons["huge epsilon is survived"] == (
        "None of the drawn images is classified correctly."
    )
    assert "randomness in inference" not in reasons
    report = evaluate(brightness(), attacks=FGSM(), checks=False)
    assert [flag.name for flag in report.flags] == NAMES
    assert {flag.raised for flag in report.flags} == {None}
    # What was not checked is not clean.
    assert report.unreliable is None
    assert report.to_dict()["unreliable"] is None
    assert report.to_dict()["footnote"] is None
    comparison = kad.evaluation.compare([report])
    assert f"{len(NAMES)} not checked" in str(comparison)


def sentence(name, *args, **arguments):
    return CHECKS[name](context_of(*args, **arguments))[1]


def test_labels_in_another_order():
    name = "accuracy at chance"
    labels = np.arange(60) % 2
    means = 0.5 + np.where(labels == 1, 0.1, -0.1)
    images = images_of(means)
    cheap = {"attacks": FGSM()}
    assert not is_raised(name, brightness(), images, labels, **cheap)
    assert is_raised(name, brightness(), images, 1 - labels, **cheap)
    # Every second label is wrong: no better than a coin.
    half = np.where(np.arange(60) % 4 < 2, labels, 1 - labels)
    found = CHECKS[name](context_of(brightness(), images, half, **cheap))
    assert found[0] and "guessing among 2 classes gives 30" in found[1]


def test_too_few_images_to_tell_from_chance():
    context = context_of(
        brightness(), IMAGES[:2], 1 - LABELS[:2], attacks=FGSM()
    )
    with pytest.raises(ValueError, match="too few images"):
        CHECKS["accuracy at chance"](context)


def test_images_of_one_class():
    name = "classes are missing"
    model = networks.linear(classes=12)
    x, _ = networks.images_and_labels(24)
    labels = as_classifier(model).logits(x)
    labels = ops.convert_to_numpy(labels).argmax(-1)
    few = np.full(24, labels[0])
    assert is_raised(name, model, x, few, attacks=FGSM())
    every = np.arange(24) % 12
    context = context_of(model, x, every, attacks=FGSM())
    assert CHECKS[name](context) == (
        False,
        "The 24 images are of 12 of 12 classes.",
    )


class MeanOfTheBatch(layers.Layer):
    """Takes the mean over the batch away, as BatchNormalization in training."""

    def call(self, logits):
        return logits - 0.5 * ops.mean(logits, axis=0, keepdims=True)


def test_answers_that_depend_on_the_batch():
    model = with_layer(MeanOfTheBatch(), last=True)
    name = "answers depend on the batch"
    assert is_raised(name, model, attacks=FGSM(), batch_size=24)
    assert not is_raised(name, brightness(), attacks=FGSM())
    normal = networks.stateful()
    x, y = networks.images_and_labels(8)
    assert not is_raised(name, normal, x, y, attacks=FGSM())


class Sometimes(layers.Layer):
    """Noise in one call of six."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x):
        happens = keras.random.uniform((), seed=self.seed_generator) < 1 / 6
        noise = keras.random.normal(ops.shape(x), seed=self.seed_generator)
        return x + ops.where(happens, 0.1 * noise, 0.0)


def test_rare_noise():
    model = with_layer(Sometimes())
    assert is_raised("randomness in inference", model, attacks=FGSM())


class WrongSlope(layers.Layer):
    """Leaves images as they are, with the gradient of others."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def call(self, x):
        other = self.slope(x)
        return ops.stop_gradient(x - other) + other


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "slope",
    [
        lambda x: -x,
        lambda x: 0.2 * x,
        lambda x: ops.roll(x, 1, axis=3) * ops.reshape([1.0, -1.0, 1.0], (3,)),
    ],
    ids=["flipped", "too short", "of other values"],
)
def test_gradients_of_something_else(slope):
    model = with_layer(WrongSlope(slope))
    assert is_raised("gradients mislead", model, attacks=FGSM())


@pytest.mark.parametrize("make", [brightness, networks.linear])
def test_gradients_of_the_model_itself(make):
    model = make()
    x, y = IMAGES, LABELS
    if make is networks.linear:
        x, _ = networks.images_and_labels(8)
        y = ops.convert_to_numpy(as_classifier(model).logits(x)).argmax(-1)
    assert not is_raised("gradients mislead", model, x, y, attacks=FGSM())


class Threshold(layers.Layer):
    """The stronger class gets one, the other zero, and a little of both."""

    def call(self, logits):
        top = ops.max(logits, axis=-1, keepdims=True)
        return ops.where(logits >= top, 1.0, 0.0) + 1e-3 * logits


def test_outputs_that_jump():
    model = with_layer(Threshold(), scale=1.0, last=True)
    assert is_raised("outputs jump", model, attacks=FGSM())
    assert "jumps by 0.00%" in sentence(
        "outputs jump", brightness(), attacks=FGSM()
    )


def test_layers_that_hide_the_gradient():
    weak = PGD(steps=1, random_start=False, seed=0)
    name = "layers hide the gradient"
    hiding = {
        "before": with_layer(WrongSlope(lambda x: -x)),
        "behind": with_layer(WrongSlope(lambda z: 0.0 * z), last=True),
    }
    for place, model in hiding.items():
        assert is_raised(name, model, attacks=weak), place
    assert sentence(name, brightness(), attacks=weak) == (
        "No layer of the model hides its logits or its gradient."
    )


def test_layers_of_a_function_are_not_known():
    model = brightness()
    context = context_of(lambda images: model(images), attacks=FGSM())
    with pytest.raises(ValueError, match="Pass the Keras model itself"):
        CHECKS["layers hide the gradient"](context)


def does_nothing(model, images, labels):
    return images


def test_attack_that_is_too_weak():
    name = "another attack finds more"
    assert is_raised(name, brightness(), attacks={"none": does_nothing})
    assert not is_raised(name, brightness(), attacks=FGSM())


class BetweenLevels(layers.Layer):
    """Turns images gray that do not lie on the levels of a byte."""

    def call(self, x):
        levels = x * 255.0
        off = ops.abs(levels - ops.round(levels)) > 0.05
        off = ops.any(off, axis=(1, 2, 3), keepdims=True)
        return ops.where(off, ops.clip(ops.stop_gradient(x), 0.6, 1.0), x)


def test_levels_of_a_byte():
    name = "levels of a byte decide"
    images = np.round(images_of([0.56] * 8) * 255) / 255
    images = images.astype("float32")
    ones = np.ones(8, "int64")
    attacks = {"pgd": PGD(steps=4, seed=0)}
    model = with_layer(BetweenLevels())
    assert is_raised(name, model, images, ones, attacks=attacks)
    assert not is_raised(name, brightness(), images, ones, attacks=attacks)
    # Images that fall without the levels as well: the attack was too weak.
    weak = {"none": does_nothing}
    assert is_raised(
        "another attack finds more", brightness(), images, ones, attacks=weak
    )
    assert not is_raised(name, brightness(), images, ones, attacks=weak)
    assert sentence(name, brightness(), attacks=FGSM()) == (
        "Not even clean images lie on the levels of a byte."
    )


def sees_nothing(logits, labels):
    return 0.0 * logits[:, 0]


def test_attack_that_stands_still():
    attack = PGD(steps=4, seed=0, random_start=False, objective=sees_nothing)
    name = "loss still rises"
    assert "stands still" in sentence(name, brightness(), attacks=attack)
    assert is_raised(name, brightness(), attacks=attack)


def test_thorough_checks_draw_more_images():
    model = brightness()
    report = evaluate(model, checks="thorough", attacks=FGSM())
    assert [flag.name for flag in report.flags] == NAMES
    drawn = np.arange(24), IMAGES, LABELS
    predictor = Predictor(as_classifier(model), 32)
    sizes = [
        Context(predictor, report._records, drawn, 0, thorough).size
        for thorough in (False, True)
    ]
    assert sizes[0] < sizes[1]
    with pytest.raises(ValueError, match="True, False or 'thorough'"):
        evaluate(model, checks="deep")
