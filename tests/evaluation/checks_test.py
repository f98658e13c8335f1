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
from tests.evaluation.helpers import IMAGE_SHAPE
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import images_of

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
    assert report.card["unreliable"] is True
    assert "gradient of zero" in report.card["footnote"]


class Rounding(layers.Layer):
    """Sixteen levels of grey: no gradient."""

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
    assert report.card["unreliable"] is None
    assert report.card["footnote"] is None
    comparison = kad.evaluation.compare([report])
    assert f"{len(NAMES)} not checked" in str(comparison)
