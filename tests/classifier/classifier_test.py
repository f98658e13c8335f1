"""Tests of the one view of every Keras classifier."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_attn_defense.classifier import Classifier
from tests import networks
from tests.testing import assert_same_state
from tests.testing import state
from tests.testing import to_numpy

X, _ = networks.images_and_labels()


def softmax(logits):
    return to_numpy(ops.softmax(ops.convert_to_tensor(logits)))


@pytest.mark.parametrize("form", networks.FORMS)
@pytest.mark.parametrize("ending", networks.ENDINGS)
def test_logits_of_every_form_and_ending(form, ending):
    model = networks.FORMS[form](ending)
    classifier = Classifier(model)

    logits, outputs = classifier(X)
    logits, outputs = to_numpy(logits), to_numpy(outputs)

    expected = to_numpy(model(X, training=False))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    assert logits.dtype == "float32"
    assert classifier.num_classes == logits.shape[-1]
    if ending == "logits":
        np.testing.assert_allclose(logits, expected, atol=1e-6)
    elif ending.startswith("softmax"):
        np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)
        # Not the logarithm of the probabilities, which loses digits.
        assert abs(np.log(np.exp(logits).sum(-1))).max() > 1e-3
    else:
        if ending == "logit":
            expected = 1.0 / (1.0 + np.exp(-expected))
        np.testing.assert_allclose(softmax(logits)[:, 1:], expected, atol=1e-6)
        np.testing.assert_allclose(logits.sum(-1), 0.0, atol=1e-6)


@pytest.mark.parametrize("form", networks.FORMS)
def test_logits_where_probabilities_saturate(form):
    twin, model = (
        networks.sharpened(networks.FORMS[form](ending), 300.0)
        for ending in ("logits", "softmax")
    )

    assert to_numpy(model(X)).max() > 1 - 1e-7
    np.testing.assert_allclose(
        to_numpy(Classifier(model).logits(X)),
        to_numpy(twin(X)),
        rtol=1e-4,
        atol=1e-3,
    )


def test_tap_sees_and_replaces_features():
    model = networks.residual()
    classifier = Classifier(model)
    seen = []

    def tap(features):
        seen.append(to_numpy(features))
        return 0.0 * features

    layer = classifier.feature_layer("branch")
    logits, _ = classifier(X, layers=[layer], tap=tap)

    expected = keras.Model(model.inputs[0], layer.output)(X)
    np.testing.assert_allclose(seen[0], to_numpy(expected), atol=1e-6)
    assert len(seen) == 1
    assert abs(to_numpy(logits) - to_numpy(model(X))).max() > 1e-3
    # Afterwards nobody listens any more.
    assert "call" not in vars(layer)


def test_training_mode():
    model = networks.stateful()
    classifier = Classifier(model)
    mean = to_numpy(model.get_layer("norm").moving_mean.value)

    logits, _ = classifier(X, training=True)

    inference = to_numpy(classifier.logits(X))
    assert abs(to_numpy(logits) - inference).max() > 1e-3
    moved = to_numpy(model.get_layer("norm").moving_mean.value)
    expected = 0.9 * mean + 0.1 * X.mean((0, 1, 2))
    np.testing.assert_allclose(moved, expected, rtol=1e-5)


def test_logits_leave_no_trace():
    model = networks.stateful()
    model(X, training=True)
    before = state(model)
    assert len(before["losses"]) == 2

    Classifier(model).logits(X)
    with Classifier(model).stateless():
        Classifier(model)(X, training=True)

    assert_same_state(before, state(model))


def test_half_precision_gives_full_precision_logits():
    model = networks.sequential("softmax", dtype="mixed_float16")
    logits = Classifier(model).logits(X)

    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    np.testing.assert_allclose(
        softmax(logits), to_numpy(model(X)).astype("float32"), atol=2e-3
    )


def test_softmax_function_at_the_end():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.Conv2D(3, 3, activation="tanh")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, ops.softmax(layers.Dense(4)(x)))

    logits = Classifier(model).logits(X)
    np.testing.assert_allclose(softmax(logits), to_numpy(model(X)), atol=1e-5)


def test_sigmoid_function_at_the_end():
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(inputs))
    model = keras.Model(inputs, ops.sigmoid(layers.Dense(1)(x)))

    logits = Classifier(model).logits(X)
    np.testing.assert_allclose(
        softmax(logits)[:, 1:], to_numpy(model(X)), atol=1e-5
    )


def test_dense_softmax_that_is_not_the_output():
    # A layer in the middle, such as a gate, has a softmax of its own.
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(inputs))
    gate = layers.Dense(3, "softmax")(x)
    outputs = layers.Dense(4)(layers.Multiply()([x, gate]))
    model = keras.Model(inputs, outputs)

    np.testing.assert_allclose(
        to_numpy(Classifier(model).logits(X)), to_numpy(model(X)), atol=1e-6
    )


def test_model_that_is_used_again_inside_another():
    inner = networks.sequential("softmax")
    inputs = keras.Input(networks.IMAGE_SHAPE)
    model = keras.Model(inputs, inner(inputs))

    logits = to_numpy(Classifier(model).logits(X))
    np.testing.assert_allclose(softmax(logits), to_numpy(inner(X)), atol=1e-6)
    assert abs(np.log(np.exp(logits).sum(-1))).max() > 1e-3


def multi_label():
    return keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            layers.Flatten(),
            layers.Dense(4, "sigmoid"),
        ]
    )


def unbuilt():
    return keras.Sequential([layers.Flatten(), layers.Dense(4)], name="new")


def two_inputs():
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    x = layers.Flatten()(layers.Add()(inputs))
    return keras.Model(inputs, layers.Dense(4)(x))


def two_outputs():
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(inputs)
    return keras.Model(inputs, [layers.Dense(4)(x), layers.Dense(2)(x)])


def of_vectors():
    return keras.Sequential([keras.Input((5,)), layers.Dense(4)])


def segmentation():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3)])


@pytest.mark.parametrize(
    "build, message",
    [
        (multi_label, "sigmoid over 4 outputs.*several labels"),
        (unbuilt, "'new' is not built yet.*keras.Input"),
        (two_inputs, "Expected one batch of images"),
        (two_outputs, "Expected the scores of one classification"),
        (of_vectors, r"input of shape \(None, 5\).*rank 4"),
        (segmentation, r"output of shape \(None, 6, 6, 4\)"),
        (lambda: "model", "Expected a Keras model.*'model'.*str"),
        (lambda: layers.Dense(4), "Expected a Keras model.*Dense"),
    ],
)
def test_models_that_are_no_image_classifiers(build, message):
    with pytest.raises(ValueError, match=message):
        Classifier(build())


@pytest.mark.backend("jax", "torch")
def test_channels_first():
    keras.config.set_image_data_format("channels_first")
    model = keras.Sequential(
        [
            keras.Input((3, 8, 8)),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    x = X.transpose(0, 3, 1, 2)

    np.testing.assert_allclose(
        to_numpy(Classifier(model).logits(x)), to_numpy(model(x)), atol=1e-6
    )
