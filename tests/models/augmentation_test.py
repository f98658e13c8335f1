"""Augmentation in the training step, in front of the attack."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses import LabelCrossentropy
from keras_attn_defense.models.augmentation import augmented
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.testing import few_everywhere
from tests.testing import to_numpy

X, Y = data(8)
ONE_HOT = np.eye(4, dtype="float32")[Y]
pytestmark = [
    # Keras' own MixUp on JAX and RandAugment on PyTorch.
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64"),
    pytest.mark.filterwarnings("ignore:Tensor.T is deprecated on 0-D"),
]


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Negative(keras.layers.Layer):
    """Turns images into negatives, and each class into the next one."""

    def call(self, inputs, training=False):
        if not training:
            return inputs
        labels = ops.roll(inputs["labels"], 1, axis=-1)
        return {"images": 1.0 - inputs["images"], "labels": labels}


def sgd(base=None, **kwargs):
    model = defended(base or networks.functional(), **kwargs)
    model.compile(keras.optimizers.SGD(0.01), LabelCrossentropy(True))
    return model


def test_equals_training_on_augmented_images():
    model = sgd(augmentation=Negative(), adversarial_rounds=2)
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    expected = sgd(adversarial_rounds=2)
    labels = np.roll(ONE_HOT, 1, axis=-1)
    expected.fit(1 - X, labels, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(
        flat_weights(model.base), flat_weights(expected.base), 1e-3, 2e-6
    )
    # Of what is not trained on, nothing is augmented.
    images, labels, _ = model.test_batch((X, Y))
    np.testing.assert_array_equal(to_numpy(images), X)
    np.testing.assert_array_equal(to_numpy(labels), Y)


class Glaring(keras.layers.Layer):
    """Leaves the range at both ends."""

    def call(self, inputs, training=False):
        return {**inputs, "images": 3.0 * inputs["images"] - 1.0}


def test_images_stay_in_their_range():
    images, _ = augmented(Glaring(), X, ONE_HOT, (0.0, 1.0), 4)
    expected = np.clip(3.0 * X - 1.0, 0.0, 1.0)
    np.testing.assert_allclose(to_numpy(images), expected, atol=1e-6)
    assert (expected == 0.0).any() and (expected == 1.0).any()


def gray(labels):
    """Images of which the value tells the label, also of mixtures."""
    values = labels @ np.array([0.1, 0.3, 0.6, 1.0], "float32")
    return np.tile(values[:, None, None, None], (1, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("form", ["class indices", "one-hot"])
def test_mixtures_are_new_and_labeled_in_every_step(form):
    layers = [keras.layers.RandomFlip(seed=1), keras.layers.MixUp(seed=2)]
    model = sgd(augmentation=layers)
    y = Y if form == "class indices" else ONE_HOT
    batches = [model.clean_batch((gray(ONE_HOT), y)) for _ in range(2)]
    for images, labels, _ in batches:
        images, labels = to_numpy(images), to_numpy(labels)
        assert ((labels > 0.01) & (labels < 0.99)).any()
        np.testing.assert_allclose(labels.sum(-1), 1, rtol=1e-6)
        np.testing.assert_allclose(images, gray(labels), atol=1e-6)
    first, second = (to_numpy(labels) for _, labels, _ in batches)
    assert abs(first - second).max() > 0.01


def test_compiled_steps_draw_again_and_are_traced_once():
    calls = []

    class Counted(keras.layers.MixUp):
        def call(self, *args, **kwargs):
            calls.append(1)
            return super().call(*args, **kwargs)

    model = sgd(augmentation=Counted(seed=3))
    seed = model.augmentation.generator.state
    model.fit(X, Y, batch_size=4, verbose=0)
    first, traces = to_numpy(seed), len(calls)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert (to_numpy(seed) != first).any()
    if keras.backend.backend() != "torch":  # It does not compile.
        assert len(calls) == traces
    assert np.isfinite(flat_weights(model.base)).all()


@pytest.mark.parametrize("form", ["class indices", "one-hot"])
@pytest.mark.parametrize(
    "validation_attack", few_everywhere(["default", None], 1)
)
def test_metrics_and_validation_see_labels_of_any_form(form, validation_attack):
    y = Y if form == "class indices" else ONE_HOT
    model = defended(
        networks.functional(),
        augmentation=Negative(),
        validation_attack=validation_attack,
    )
    model.compile(
        keras.optimizers.SGD(0.0), LabelCrossentropy(True), metrics=["accuracy"]
    )
    history = model.fit(X, y, validation_data=(X, y), verbose=0).history
    accuracy = np.mean(to_numpy(model.base(1 - X)).argmax(-1) == (Y + 1) % 4)
    np.testing.assert_allclose(history["accuracy"], [accuracy])
    accuracy = np.mean(to_numpy(model.base(X)).argmax(-1) == Y)
    np.testing.assert_allclose(history["val_accuracy"], [accuracy])


@pytest.mark.once
def test_evaluated_before_it_is_trained():
    model = defended(networks.functional(), augmentation=Negative())
    before = model.evaluate(X, Y, verbose=0, return_dict=True)
    model.optimizer.learning_rate = 0.0
    logs = model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    for name, value in before.items():
        np.testing.assert_allclose(logs[f"val_{name}"], [value], rtol=1e-5)


@pytest.mark.once
def test_default_compilation_fits():
    layers = [keras.layers.RandomFlip(seed=1), keras.layers.CutMix(seed=2)]
    model = defended(networks.functional(), augmentation=layers)
    logs = model.fit(X, Y, batch_size=4, verbose=0).history
    assert {"accuracy", "robust_accuracy"} <= logs.keys()


def test_saved_and_loaded(tmp_path):
    layers = [keras.layers.RandAugment((0, 1), seed=1), keras.layers.CutMix()]
    model = defended(networks.functional(), augmentation=layers)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    kinds = [type(layer) for layer in loaded.augmentation.layers]
    assert kinds == [keras.layers.RandAugment, keras.layers.CutMix]
    configs = [json.dumps(m.get_config()) for m in (loaded, model)]
    assert configs[0] == configs[1]  # In JSON, tuples are lists.
    np.testing.assert_array_equal(to_numpy(loaded(X)), to_numpy(model.base(X)))


@pytest.mark.backend("tensorflow", "torch")  # JAX compiles it for a minute.
def test_rand_augment():
    model = sgd(augmentation=keras.layers.RandAugment((0, 1), seed=1))
    images, labels, _ = model.clean_batch((X, Y))
    images = to_numpy(images)
    assert images.min() >= 0 and images.max() <= 1
    assert abs(images - X).max() > 0.01
    np.testing.assert_array_equal(to_numpy(labels), ONE_HOT)


def test_a_single_output_keeps_its_labels():
    model = sgd(networks.sequential("logit"), augmentation=Negative())
    y = np.array([0, 1, 1, 0], "int32")
    images, labels, _ = model.clean_batch((X[:4], y))
    np.testing.assert_allclose(to_numpy(images), 1 - X[:4])
    np.testing.assert_array_equal(to_numpy(labels), 1 - y[:, None])


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: keras.layers.RandAugment(), r"\(0, 255\), the model"),
        (lambda: [keras.layers.RandomContrast(0.1)], r"\(0, 255\), the model"),
        (lambda: [], "list of them"),
        (lambda: "mixup", "augmentation='mixup'"),
    ],
)
def test_errors_teach(make, match):
    with pytest.raises(ValueError, match=match):
        defended(networks.functional(), augmentation=make())


def test_what_cannot_be_mixed():
    with pytest.raises(ValueError, match="output for each class"):
        kad.AttentionDefendedModel(
            networks.sequential("sigmoid"), augmentation=keras.layers.MixUp()
        )
    model = defended(networks.functional("softmax"), augmentation=Negative())
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="`augmentation` makes them so"):
        model.fit(X, Y, verbose=0)
