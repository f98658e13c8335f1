"""The defended model against its parts, on bases of every form."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.losses import LabelCrossentropy
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import last
from tests.testing import few_everywhere

BASES = {
    "sequential": (networks.sequential, None),
    "subclassed": (networks.subclassed, None),
    "functional": (networks.functional, None),
    "residual": (networks.residual, "branch"),
    "nested": (networks.nested, None),
    "nested_inner": (networks.nested, "inner"),
}


def array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("form", few_everywhere(BASES))
def test_evaluate_equals_its_parts(form):
    make, layer = BASES[form]
    base = make("softmax")
    x, y = data(8)
    attack = kad.attacks.FGSM(16 / 255)
    model = defended(
        base,
        attention=kad.attention.GradCAM(layer),
        validation_attack=attack,
        preservation_weight=3.0,
    )

    logs = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)

    x_adv = attack(base, x, y)
    cam = kad.attention.GradCAM(layer, model=base)
    mask = kad.attention.AttentionMask()
    clean, adversarial = cam(ops.convert_to_tensor(x), y), cam(x_adv, y)
    ce = keras.losses.SparseCategoricalCrossentropy()
    probabilities = kad.losses.RectificationLoss(
        "mean_squared_error", from_logits=False
    )
    expected = {
        "classification_loss": ce(y, base(x)) + ce(y, base(x_adv)),
        "rectification_loss": probabilities(base(x), base(mask(x, clean)))
        + probabilities(base(x_adv), base(mask(x_adv, adversarial))),
        "preservation_loss": kad.losses.PreservationLoss()(clean, adversarial),
        "accuracy": np.mean(array(base(x)).argmax(-1) == y),
        "robust_accuracy": np.mean(array(base(x_adv)).argmax(-1) == y),
    }
    expected["loss"] = (
        0.5 * expected["classification_loss"]
        + 0.25 * expected["rectification_loss"]
        + 3 * expected["preservation_loss"]
    )
    assert set(logs) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(
            logs[name], array(value), rtol=2e-4, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("form", few_everywhere(BASES))
def test_fit_lowers_the_loss(form):
    make, layer = BASES[form]
    x, y = data(16)
    x = 0.2 * x + 0.2 * y[:, None, None, None].astype("float32")
    model = defended(make(), attention=kad.attention.GradCAM(layer))
    model.compile(keras.optimizers.Adam(0.03), LabelCrossentropy(True))

    history = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history

    losses = history["classification_loss"]
    assert losses[-1] < losses[0] - 0.05
    assert all(np.isfinite(values).all() for values in history.values())


@pytest.mark.parametrize("ending", few_everywhere(networks.ENDINGS))
def test_every_ending_learns_and_keeps_its_form(ending):
    base = networks.sequential(ending)
    x, y = data(8)
    labels = y % 2 if networks.ENDINGS[ending][0] == 1 else y
    model = defended(base)

    logs = last(model.fit(x, labels, verbose=0))

    assert set(logs) == {
        "accuracy",
        "classification_loss",
        "loss",
        "preservation_loss",
        "rectification_loss",
        "robust_accuracy",
    }
    assert logs["rectification_loss"] < 0
    np.testing.assert_allclose(
        model.predict(x, verbose=0), array(base(x)), rtol=1e-5, atol=1e-6
    )


def test_one_output_equals_two():
    x, y = data(8)
    y = y % 2
    one = networks.sequential("logit")
    two = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            *one.layers[:-1],
            keras.layers.Dense(2),
        ]
    )
    kernel, bias = one.layers[-1].get_weights()
    two.layers[-1].set_weights(
        [
            np.concatenate([-kernel, kernel], -1) / 2,
            np.concatenate([-bias, bias]) / 2,
        ]
    )
    logs = [
        defended(base, validation_attack=kad.attacks.FGSM()).evaluate(
            x, y, verbose=0, return_dict=True
        )
        for base in (one, two)
    ]
    for name, value in logs[0].items():
        np.testing.assert_allclose(value, logs[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("one_hot", [False, True])
def test_labels_of_either_form_give_the_same_step(one_hot):
    x, y = data(8)
    labels = np.eye(4, dtype="float32")[y] if one_hot else y
    model = defended(networks.sequential("softmax"))

    logs = last(model.fit(x, labels, verbose=0))

    reference = defended(networks.sequential("softmax"))
    expected = last(reference.fit(x, y[:, None], verbose=0))
    assert logs == pytest.approx(expected, rel=1e-4)


def test_weight_decay_is_counted_once():
    base = keras.Sequential(
        [
            keras.Input(networks.IMAGE_SHAPE),
            keras.layers.Conv2D(3, 3, kernel_regularizer="l2"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    x, y = data(8)
    model = defended(base, validation_attack=kad.attacks.FGSM(0.0))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    ce = keras.losses.SparseCategoricalCrossentropy()(y, base(x))
    decay = 0.01 * np.sum(array(base.layers[0].kernel) ** 2)
    np.testing.assert_allclose(
        logs["classification_loss"], 2 * array(ce) + decay, rtol=1e-5
    )


def test_weights_of_zero_switch_terms_and_their_cost_off(monkeypatch):
    calls = []
    forward = kad.attention.GradCAM.explain
    monkeypatch.setattr(
        kad.attention.GradCAM,
        "explain",
        lambda *a, **k: calls.append(1) or forward(*a, **k),
    )
    x, y = data(8)
    plain = defended(
        networks.sequential(), rectification_weight=0, preservation_weight=0
    )
    logs = last(plain.fit(x, y, verbose=0))
    assert not calls
    assert set(logs) == {
        "accuracy",
        "classification_loss",
        "loss",
        "robust_accuracy",
    }
    assert logs["loss"] == pytest.approx(logs["classification_loss"] / 2)

    half = defended(networks.sequential(), rectification_weight=0)
    logs = last(half.fit(x, y, verbose=0))
    assert calls
    assert "rectification_loss" not in logs
    assert "preservation_loss" in logs


def test_attack_is_what_it_trains_on():
    x, y = data(6)
    model = defended(networks.sequential(), attack=kad.attacks.BIM(steps=3))
    x_adv = array(model.craft(x, y))
    expected = array(kad.attacks.BIM(steps=3)(model.base, x, y))
    np.testing.assert_allclose(x_adv, expected, atol=1e-6)
    batch, crafted = model.training_batch(model.clean_batch((x, y)))
    np.testing.assert_allclose(array(crafted), expected, atol=1e-6)
    np.testing.assert_allclose(array(batch[0]["images"])[0::2], x)
    np.testing.assert_allclose(
        array(batch[0]["images"])[1::2], expected, atol=1e-6
    )


def test_attention_map_has_the_size_of_the_images():
    x, y = data(4)
    model = defended(
        networks.sequential(), attention=kad.attention.GradCAM(upsample=False)
    )
    maps = array(model.attention_map(x, y))
    cam = kad.attention.GradCAM(upsample=True, model=model.base)
    assert maps.shape == (4, *networks.IMAGE_SHAPE[:2])
    np.testing.assert_allclose(maps, array(cam(x, y)), rtol=1e-5)
    predicted = array(model.base(x)).argmax(-1)
    np.testing.assert_allclose(
        array(model.attention_map(x)),
        array(model.attention_map(x, predicted)),
        rtol=1e-5,
    )


@pytest.mark.parametrize("choice", ["predicted", "runner_up", "least_likely"])
def test_attention_to_a_class_by_its_place(choice):
    x, _ = data(4)
    model = defended(networks.sequential())
    logits = array(model.base(x))
    place = {"predicted": -1, "runner_up": -2, "least_likely": 0}[choice]
    expected = model.attention_map(x, logits.argsort(-1)[:, place])
    np.testing.assert_allclose(
        array(model.attention_map(x, choice)), array(expected), rtol=1e-5
    )
    with pytest.raises(ValueError, match="least_likely"):
        model.attention_map(x, "last")


def test_validation_without_an_attack_is_clean():
    x, y = data(8)
    base = networks.sequential("softmax")
    model = defended(base, validation_attack=None)
    logs = last(model.fit(x, y, validation_data=(x, y), verbose=0))
    assert {name for name in logs if name.startswith("val_")} == {
        "val_accuracy",
        "val_loss",
    }


def test_default_validation_attack_has_the_strength_of_training():
    attack = kad.attacks.PGD((2 / 255, 4 / 255), norm="l2", steps=2)
    model = kad.AttentionDefendedModel(networks.sequential(), attack)
    assert model.validation_attack.epsilon == 4 / 255
    assert model.validation_attack.norm == "l2"
    assert model.validation_attack.steps == 10


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_presets_train(preset):
    x, y = data(8)
    model = kad.AttentionDefendedModel.from_preset(
        preset, networks.sequential(), validation_attack=None
    )
    logs = last(model.fit(x, y, verbose=0))
    total = (
        8 * logs["classification_loss"]
        + 4 * logs["rectification_loss"]
        + logs["preservation_loss"]
    )
    assert logs["loss"] == pytest.approx(total, rel=1e-4)
    rounds = {"paper": 1, "authors": 2}[preset]
    assert int(model.optimizer.iterations) == rounds


def test_presets_scale_with_the_value_range():
    model = kad.AttentionDefendedModel.from_preset(
        "authors", networks.sequential(), value_range=(-1, 1)
    )
    assert model.attack.epsilon == (0.0, pytest.approx(0.15))
    assert model.mask.value_range == (-1.0, 1.0)


def test_the_base_is_the_plain_classifier():
    x, y = data(8)
    base = networks.stateful("softmax")
    model = defended(base)
    model.fit(x, y, verbose=0)
    assert model.base is base
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        base.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
    assert np.abs(array(base.get_layer("norm").moving_mean) - 0.2).max() > 0.01


def test_self_attention_in_the_head():
    # PyTorch's fused kernels have no second derivative.
    inputs = keras.Input(networks.IMAGE_SHAPE)
    x = keras.layers.Conv2D(4, 3, name="map")(inputs)
    x = keras.layers.Reshape((36, 4))(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    base = keras.Model(inputs, keras.layers.Dense(4)(x))
    model = defended(base, rectification_weight=0, preservation_weight=100.0)
    assert model.classifier.feature_layer().name == "map"
    kernel = array(base.layers[-1].kernel).copy()
    logs = last(model.fit(*data(8), verbose=0))
    assert logs["preservation_loss"] > 0
    assert np.abs(array(base.layers[-1].kernel) - kernel).max() > 0
