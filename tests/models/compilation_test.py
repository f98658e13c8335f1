"""What a defended model is compiled with when nobody compiled it."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import last


@pytest.mark.once
@pytest.mark.parametrize("ending", networks.ENDINGS)
def test_the_loss_is_read_off_the_base(ending):
    base = networks.sequential(ending)
    x, y = data(8)
    binary = networks.ENDINGS[ending][0] == 1
    y = y % 2 if binary else y
    model = defended(base, rectification_weight=0, preservation_weight=0)

    logs = model.evaluate(x, y, verbose=0, return_dict=True)

    outputs = keras.ops.convert_to_numpy(base(x)).astype("float64")
    if ending in ("logits", "logit"):
        assert model.loss.from_logits
    probabilities = {
        "logits": lambda z: np.exp(z) / np.exp(z).sum(-1, keepdims=True),
        "logit": lambda z: 1 / (1 + np.exp(-z)),
    }.get(ending, lambda z: z)(outputs)
    if binary:
        probabilities = np.concatenate([1 - probabilities, probabilities], -1)
    expected = -np.log(probabilities[np.arange(8), y]).mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["accuracy"] == np.mean(probabilities.argmax(-1) == y)


@pytest.mark.once
def test_the_settings_of_the_base_are_taken_over():
    base = networks.sequential("softmax")
    base.compile(
        keras.optimizers.Adam(0.123),
        "categorical_crossentropy",
        metrics=["accuracy", "mean_absolute_error"],
    )
    x, y = data(8)
    model = defended(base)
    logs = last(model.fit(x, np.eye(4, dtype="float32")[y], verbose=0))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.123)
    assert model.optimizer is not base.optimizer
    assert "mean_absolute_error" in logs


@pytest.mark.once
def test_sgd_is_taken_over(recwarn):
    base = networks.sequential("softmax")
    base.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model = defended(base)

    model.fit(*data(4), verbose=0)

    assert not [each for each in recwarn if "SGD" in str(each.message)]
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


@pytest.mark.once
def test_sgd_is_taken_over_with_a_warning_if_weights_do_not_fit():
    base = networks.sequential("softmax")
    base.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model = defended(base, classification_weight=8.0)
    with pytest.warns(UserWarning, match="about 16 times"):
        model.fit(*data(4), verbose=0)


@pytest.mark.once
def test_compile_replaces_everything():
    model = defended(networks.sequential("softmax"))
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    logs = last(model.fit(*data(8), verbose=0))
    assert isinstance(model.optimizer, keras.optimizers.RMSprop)
    assert "accuracy" not in logs


def test_compile_without_a_loss_takes_the_fitting_one(tmp_path):
    x, y = data(8)
    model = defended(networks.sequential("softmax"))
    optimizer = keras.optimizers.Adam(0.02)
    metrics = ["accuracy", "sparse_categorical_crossentropy"]
    model.compile(optimizer, metrics=metrics)
    logs = last(model.fit(x, y, verbose=0))
    reference = defended(networks.sequential("softmax"))
    reference.compile("adam", "sparse_categorical_crossentropy")
    expected = last(reference.fit(x, y, verbose=0))
    assert logs["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert set(metrics) <= set(logs)
    assert model.optimizer is optimizer
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert "sparse_categorical_crossentropy" in last(
        loaded.fit(x, y, verbose=0)
    )


def unregistered(y_true, y_pred):
    return keras.ops.mean(y_pred, axis=-1)


def test_settings_that_cannot_be_copied_are_named():
    base = networks.sequential("softmax")
    base.compile("adam", loss=unregistered)
    model = kad.AttentionDefendedModel(base)
    with pytest.raises(ValueError, match="Call `compile` on the Attention"):
        model.fit(*data(4), verbose=0)


def test_labels_that_change_their_form():
    x, y = data(8)
    one_hot = np.eye(4, dtype="float32")[y]
    model = defended(networks.functional())
    model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="metrics were built for class"):
        model.evaluate(x, one_hot, verbose=0)
    model.compile("sgd", metrics=["accuracy"])
    expected = model.evaluate(x, one_hot, verbose=0, return_dict=True)
    # Class indices can be turned into rows.
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs == pytest.approx(expected)


ENDINGS = {"softmax": False, "logits": True, "sigmoid": False, "logit": True}


def losses_of(ending, from_logits):
    """What a user types, all with one `from_logits`."""
    losses = keras.losses
    if ending in ("sigmoid", "logit"):
        found = [losses.BinaryCrossentropy(from_logits)]
        plain = "binary_crossentropy"
    else:
        found = [
            losses.SparseCategoricalCrossentropy(from_logits),
            kad.losses.LabelCrossentropy(from_logits),
        ]
        plain = "sparse_categorical_crossentropy"
    return found if from_logits else [*found, plain, losses.get(plain)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_loss_that_contradicts_the_ending_is_refused(ending):
    x, y = data(4)
    y = y % networks.ENDINGS[ending][0]
    model = defended(networks.sequential(ending))
    for loss in losses_of(ending, not ENDINGS[ending]):
        model.compile("sgd", loss)
        mend = f"from_logits={ENDINGS[ending]}"
        with pytest.raises(ValueError, match=f"`compile` without.*{mend}"):
            model.fit(x, y, verbose=0)
    for loss in losses_of(ending, ENDINGS[ending]):
        model.compile("sgd", loss)
        model.prepare_for(x, y)


def test_a_contradicting_loss_of_the_base_is_mended():
    base = networks.sequential("softmax")
    wrong = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=3)
    base.compile("adam", wrong)
    model = defended(base)
    with pytest.warns(UserWarning, match="taken over with from_logits=False"):
        model.prepare_for(*data(4))
    assert model.loss.get_config()["from_logits"] is False
    assert model.loss.get_config()["ignore_class"] == 3


def test_one_hot_losses_of_class_indices():
    x, y = data(4)
    model = defended(networks.sequential("softmax"))
    for loss, metrics in (
        ("categorical_crossentropy", None),
        (keras.losses.CategoricalCrossentropy(), None),
        (None, ["categorical_accuracy"]),
    ):
        model.compile("sgd", loss, metrics=metrics)
        with pytest.raises(ValueError, match="keras.utils.to_categorical"):
            model.fit(x, y, verbose=0)
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    model.prepare_for(x, np.eye(4)[y])


@pytest.mark.parametrize("part", ["metrics", "weighted_metrics"])
def test_a_metric_with_a_name_of_the_model(part):
    metric = keras.metrics.SparseCategoricalAccuracy(name="robust_accuracy")
    model = defended(networks.sequential("softmax"))
    model.compile("adam", **{part: ["accuracy", metric]})
    with pytest.raises(ValueError, match="name='my_robust_accuracy'"):
        model.fit(*data(4), verbose=0)
