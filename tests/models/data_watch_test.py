"""Batches after the first, and validation data, are looked at too."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.models.helpers import last

X, Y = data(4)
ONE_HOT = np.eye(4, dtype="float32")[Y]


def cheap(**kwargs):
    """A defended model without attention losses."""
    return defended(
        networks.sequential("softmax"),
        rectification_weight=0,
        preservation_weight=0,
        **kwargs,
    )


def with_nan(x):
    x = x.copy()
    x[1, 2, 3, 0] = np.nan
    return x


BAD = {
    "nan": (with_nan(X), Y),
    "too bright": (X * 255, Y),
    "label too high": (X, Y + 1),
}


class Batches(keras.utils.PyDataset):
    """Three batches, the last one of which is another."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.last if index == 2 else (X, Y)


@pytest.mark.parametrize("case", BAD)
def test_a_later_batch_is_told_and_not_learned_from(case):
    model = cheap()
    with pytest.raises(ValueError, match="batch of epoch 1, .*learned from"):
        model.fit(Batches(BAD[case]), epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(flat_weights(model.base)).all()
    with pytest.raises(ValueError, match="batch cannot be evaluated"):
        model.evaluate(Batches(BAD[case]), verbose=0)
    # And it can go on.
    logs = last(model.fit(X, Y, verbose=0))
    assert np.isfinite(list(logs.values())).all()
    assert "unusable_batches" not in logs


def test_a_soft_label_that_is_none():
    model = cheap()
    wrong = ONE_HOT.copy()
    wrong[1] = 0.7
    batches = iter([(X, ONE_HOT), (X, wrong)])
    with pytest.raises(ValueError, match="cannot be learned from"):
        model.fit(batches, steps_per_epoch=2, shuffle=False, verbose=0)


def test_validation_data_is_watched_too():
    model = cheap()
    bad = Batches(BAD["nan"])
    with pytest.raises(ValueError, match="batch cannot be evaluated"):
        model.fit(X, Y, validation_data=bad, verbose=0)


def test_training_stops_within_a_second_or_so(monkeypatch):
    monkeypatch.setattr("keras_attn_defense.models.data_watch._PAUSE", 0.0)
    model = cheap()
    seen = []

    def batches():
        for index in range(100):
            seen.append(index)
            yield (with_nan(X), Y) if index == 3 else (X, Y)

    with pytest.raises(ValueError, match="between the batches 4 and 4,"):
        model.fit(batches(), steps_per_epoch=100, shuffle=False, verbose=0)
    assert len(seen) < 50


VALIDATION = {
    "no labels": (X, "`validation_data`: .*needs labels"),
    "one-hot": ((X, ONE_HOT), "`validation_data`: .*class indices"),
    "nan": ((with_nan(X), Y), "`validation_data`: .*NaN"),
    "too bright": ((X * 255, Y, np.ones(4)), "`validation_data`: .*rescale"),
    "names": ((X, Y.astype(str)), "`validation_data`: .*np.unique"),
}


@pytest.mark.parametrize("case", VALIDATION)
def test_validation_data_is_looked_at_before_the_first_epoch(case):
    validation, match = VALIDATION[case]
    model = cheap()
    before = flat_weights(model.base)
    with pytest.raises(ValueError, match=match):
        model.fit(X, Y, validation_data=validation, verbose=0)
    np.testing.assert_array_equal(flat_weights(model.base), before)


def test_data_sets_are_opened_once_an_epoch_and_once_before():
    tf = pytest.importorskip("tensorflow")
    opened = {"train": 0, "validation": 0}

    def data_set(name):
        def batches():
            opened[name] += 1
            yield X, Y

        signature = (
            tf.TensorSpec(X.shape, tf.float32),
            tf.TensorSpec(Y.shape, tf.int32),
        )
        return tf.data.Dataset.from_generator(
            batches, output_signature=signature
        ).apply(tf.data.experimental.assert_cardinality(1))

    model = cheap()
    model.fit(
        data_set("train"),
        validation_data=data_set("validation"),
        epochs=3,
        shuffle=False,
        verbose=0,
    )
    # Keras itself opens it once more on JAX and PyTorch, to build metrics.
    own = 0 if keras.backend.backend() == "tensorflow" else 1
    assert opened == {"train": 4 + own, "validation": 4}


def test_a_generator_to_validate_with_loses_no_batch():
    seen = []

    class Seen(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            seen.append(batch)

    batches = (batch for batch in [(X, Y)] * 2)
    model = cheap()
    model.fit(
        X,
        Y,
        validation_data=batches,
        validation_steps=2,
        verbose=0,
        callbacks=[Seen()],
    )
    assert seen == [0, 1]


def test_steps_on_one_batch_compile_alike():
    logs = [
        getattr(cheap(), name)(X, Y, return_dict=True)
        for name in ("train_on_batch", "test_on_batch")
    ]
    assert float(logs[1]["accuracy"]) == float(logs[0]["accuracy"])
    model = cheap()
    np.testing.assert_allclose(
        model.predict_on_batch(X), model.predict(X, verbose=0), rtol=1e-5
    )
    with pytest.raises(ValueError, match="value_range"):
        model.test_on_batch(X * 255, Y)


@pytest.mark.parametrize(
    "x, y, match",
    [
        (X, np.array(["cat", "dog", "cat", "cow"]), "np.unique"),
        (X, np.array(["cat", "dog", "cat", "cow"], object), "np.unique"),
        (X, ["cat", "dog", "cat", "cow"], "np.unique"),
        (X.tolist(), Y, "np.asarray"),
        (None, None, "Received: NoneType"),
    ],
)
def test_names_and_lists_of_images(x, y, match):
    with pytest.raises(ValueError, match=match):
        cheap().fit(x, y, verbose=0)


def test_a_list_of_labels_is_an_array():
    logs = [last(cheap().fit(X, y, verbose=0)) for y in (Y, Y.tolist())]
    assert logs[0] == pytest.approx(logs[1])


@pytest.mark.parametrize("wrap", [lambda c: c, lambda c: [c], lambda c: (c,)])
def test_callbacks_in_every_form_are_called(wrap):
    seen = []
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(sorted(logs))
    )
    cheap().fit(X, Y, verbose=0, callbacks=wrap(log))
    names = ["accuracy", "classification_loss", "loss", "robust_accuracy"]
    assert seen == [names]


def test_a_list_of_callbacks_of_keras_is_watched_too():
    model = cheap()
    model.compile("sgd")
    callbacks = keras.callbacks.CallbackList(add_history=True, model=model)
    with pytest.raises(ValueError, match="cannot be learned from"):
        model.fit(Batches(BAD["nan"]), verbose=0, callbacks=callbacks)
    model.fit(X, Y, verbose=0, callbacks=callbacks)


def test_a_defended_model_is_not_defended_again():
    model = cheap()
    with pytest.raises(ValueError, match="`model.base`"):
        kad.AttentionDefendedModel(model)
