"""Bad input is refused before any weight moves, with a way to mend it."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights

X, Y = data(4)


def with_nan(x):
    x = x.copy()
    x[1, 2, 3, 0] = np.nan
    return x


CASES = {
    "uint8": ((X * 255).astype("uint8"), Y, "value_range"),
    "too bright": (X * 255, Y, "rescale"),
    "negative": (X * 2 - 1, Y, "value_range"),
    "nan": (with_nan(X), Y, "NaN"),
    "rank": (X[0], Y[:1], "batch of rank 4"),
    "label too high": (X, Y + 1, "0 to 3"),
    "label negative": (X, Y - 1, "0 to 3"),
    "fraction": (X, Y + 0.5, "whole numbers"),
    "label shape": (X, np.stack([Y, Y, Y], -1), "one-hot"),
    "soft labels": (X, np.ones((4, 4), "float32"), "sum to one"),
    "label count": (X, Y[:3], "one label for each"),
    "no labels": (X, None, "needs labels"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("entrance", ["fit", "train_on_batch", "data set"])
def test_fit_refuses(case, entrance):
    x, y, match = CASES[case]
    model = defended(networks.sequential())
    before = flat_weights(model.base)
    with pytest.raises(ValueError, match=match):
        if entrance == "fit":
            model.fit(x, y, verbose=0)
        elif entrance == "train_on_batch":
            model.train_on_batch(x, y)
        else:
            model.fit(iter([(x, y)]), verbose=0)
    np.testing.assert_array_equal(flat_weights(model.base), before)


@pytest.mark.once
@pytest.mark.parametrize("case", [c for c in CASES if c != "no labels"])
def test_attack_and_attention_map_refuse(case):
    x, y, match = CASES[case]
    model = defended(networks.sequential())
    with pytest.raises(ValueError, match=match):
        model.craft(x, y)
    with pytest.raises(ValueError, match=match):
        model.attention_map(x, y)


def build(**kwargs):
    return kad.AttentionDefendedModel(networks.residual(), **kwargs)


def unbuilt():
    return keras.Sequential([keras.layers.Conv2D(2, 3)])


def two_inputs():
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    x = keras.layers.Flatten()(keras.layers.Add()(inputs))
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def segmentation():
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Conv2D(4, 1)(inputs))


def several_labels():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, "sigmoid")(x))


def flat():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


@pytest.mark.parametrize(
    "make, match",
    [
        (unbuilt, "not built"),
        (two_inputs, "rank 4"),
        (segmentation, "scores of one classification"),
        (several_labels, "several labels"),
        (flat, "no layer with a rank-4 output"),
        (lambda: "resnet", "Expected a Keras model"),
    ],
)
def test_bases_that_cannot_be_defended(make, match):
    with pytest.raises(ValueError, match=match):
        kad.AttentionDefendedModel(make())


@pytest.mark.once
@pytest.mark.parametrize(
    "kwargs, match",
    [
        ({"attention": kad.attention.GradCAM("brench")}, "branch"),
        ({"attention": kad.attention.GradCAM("head")}, "height and width"),
        ({"attack": "pdg"}, "An attack should be one of"),
        ({"classification_weight": -1.0}, "classification_weight"),
        ({"rectification_weight": float("nan")}, "rectification_weight"),
        ({"attack": lambda x, y: x}, "plain function cannot run"),
        ({"attack": kad.attacks.PGD}, "Expected an attack"),
        ({"attack": kad.attacks.PGD(8)}, "did you mean 8 / 255"),
        ({"attack": kad.attacks.PGD((0, 8))}, "did you mean 8 / 255"),
        ({"attack": kad.attacks.PGD(0.1, 2)}, "did you mean 2 / 255"),
        ({"attack": kad.attacks.PGD(128, norm="l2")}, "did you mean 128"),
        ({"attack": kad.attacks.PGD(255, norm="l1")}, "did you mean 255"),
        ({"validation_attack": kad.attacks.PGD(8)}, "did you mean 8 / 255"),
        ({"validation_attack": 3}, "Expected an attack"),
        ({"attack": kad.attacks.Attack()}, "has no `perturb`"),
        ({"attention": "layer"}, "An attention method should be one of"),
        ({"attention": lambda x: x}, "FeatureMethod"),
        ({"mask": lambda x, maps: x}, "AttentionMask"),
        ({"rectification_loss": "mae"}, "distance"),
        ({"rectification_loss": 3}, "a function of two"),
        ({"preservation_loss": "mes"}, "name of a loss of Keras"),
        ({"preservation_loss": keras.losses.MeanSquaredError}, "function of"),
        ({"sample_selection": 0.6}, "StrongSampleSelection"),
        ({"classification_weight": "8"}, "classification_weight"),
        ({"adversarial_rounds": 1.5}, "adversarial_rounds"),
        ({"adversarial_rounds": 0}, "adversarial_rounds"),
        ({"value_range": (1, 0)}, "value_range"),
        ({"value_range": 255}, "value_range"),
        ({"attack": kad.attacks.FGSM(value_range=(-1, 1))}, "range of the"),
        (
            {
                "mask": kad.attention.AttentionMask(value_range=(-1, 1)),
            },
            "range of the",
        ),
    ],
)
def test_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        build(**kwargs)


@pytest.mark.parametrize("name", ["attack", "validation_attack"])
def test_a_radius_of_next_to_nothing_is_warned_of(name):
    attack = kad.attacks.FGSM(8 / 255)
    with pytest.warns(UserWarning, match="usual epsilon here is 8"):
        build(**{name: attack}, value_range=(0, 255))


def test_presets_are_named():
    with pytest.raises(ValueError, match="paper"):
        kad.AttentionDefendedModel.from_preset("papre", networks.sequential())


class Blind(keras.Model):
    """Runs a convolution that its output does not use."""

    def __init__(self):
        super().__init__()
        self.used = keras.layers.Conv2D(2, 3, name="used")
        self.unused = keras.layers.Conv2D(2, 3, name="unused")
        self.head = keras.layers.Dense(4)

    def call(self, inputs):
        x = self.used(inputs)
        self.unused(inputs)
        return self.head(keras.ops.mean(x, axis=(1, 2)))


def test_a_layer_that_does_not_feed_the_output():
    base = Blind()
    base(X)
    with pytest.raises(ValueError, match="does not depend"):
        defended(base, attention=kad.attention.GradCAM("unused"))


def test_a_tiny_map_is_warned_of():
    base = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 4, strides=4, name="coarse"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )
    with pytest.warns(UserWarning, match="only 2x2 positions"):
        kad.AttentionDefendedModel(base)
