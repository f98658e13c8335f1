"""A defended model comes back from its file and goes on as if never gone."""

import io
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import flat_weights


def every_argument_set():
    return kad.AttentionDefendedModel(
        networks.sequential("softmax"),
        kad.attacks.PGD((1 / 255, 9 / 255), norm="l2", steps=2, seed=3),
        kad.attention.GradCAM("last", "l2", scale_gradients=False),
        mask=kad.attention.AttentionMask("quantile", 0.7, mode="soft"),
        classification_weight=3.0,
        rectification_weight=2.0,
        preservation_weight=5.0,
        rectification_loss=kad.losses.RectificationLoss("kl"),
        preservation_loss=kad.losses.PreservationLoss("l1", reduction="sum"),
        validation_attack=kad.attacks.MomentumBIM(decay=0.5, steps=1),
        sample_selection=kad.models.StrongSampleSelection(0.4, 1),
        adversarial_rounds=1,
        value_range=(0, 1),
        name="defended",
    )


def test_configuration_round_trip():
    model = every_argument_set()
    config = model.get_config()
    again = kad.AttentionDefendedModel.from_config(config)
    assert again.get_config() == config


def test_training_goes_on_after_loading(tmp_path):
    x, y = data(8)
    model = every_argument_set()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    path = tmp_path / "defended.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)

    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert int(loaded.optimizer.iterations) == 2
    for own, its in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(own), ops.convert_to_numpy(its), own.path
        )
    histories = [
        m.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
        for m in (model, loaded)
    ]
    assert histories[0]["loss"] == pytest.approx(histories[1]["loss"])
    np.testing.assert_allclose(
        flat_weights(model.base), flat_weights(loaded.base), atol=1e-7
    )


def test_each_weight_is_stored_once(tmp_path):
    import zipfile

    model = kad.AttentionDefendedModel(networks.sequential())
    path = tmp_path / "defended.keras"
    model.save(path)
    small = tmp_path / "base.keras"
    model.base.save(small)
    sizes = [
        zipfile.ZipFile(p).getinfo("model.weights.h5").file_size
        for p in (path, small)
    ]
    stored = sum(np.prod(w.shape) for w in model.base.weights) * 4
    assert sizes[0] - sizes[1] < stored + 60_000  # Groups of the file format.
    names = [w.path for w in model.weights]
    assert len(set(names)) == len(names)


def test_weights_load_into_a_new_model(tmp_path):
    model = every_argument_set()
    path = tmp_path / "defended.weights.h5"
    model.save_weights(path)
    other = every_argument_set()
    other.base.set_weights([0 * w for w in other.base.get_weights()])
    other.load_weights(path)
    np.testing.assert_array_equal(
        flat_weights(other.base), flat_weights(model.base)
    )


@pytest.mark.filterwarnings("ignore:The `native_serialization`")
@pytest.mark.backend("tensorflow", "jax")
def test_export_is_the_plain_classifier(tmp_path):
    tf = pytest.importorskip("tensorflow")
    x, _ = data(4)
    model = kad.AttentionDefendedModel(networks.sequential("softmax"))
    model.export(str(tmp_path / "model"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(
        loaded.serve(x).numpy(), model.predict(x, verbose=0), atol=1e-6
    )


@pytest.mark.backend("torch")
def test_export_on_pytorch_names_what_does_it(tmp_path):
    model = kad.AttentionDefendedModel(networks.sequential())
    with pytest.raises(ValueError, match=r"kad\.export"):
        model.export(tmp_path / "model")


@pytest.mark.once
def test_a_file_from_before_the_attack_had_its_name(tmp_path):
    # `attack` was the attribute `training_attack`, and so in files.
    x, y = data(4)
    model = kad.AttentionDefendedModel(
        networks.sequential(), kad.attacks.PGD(0.1, steps=1, seed=3)
    )
    model.craft(x, y)  # Draws random numbers.
    model.attack.strength.assign(0.5)
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new:
        files = {name: new.read(name) for name in new.namelist()}
    weights = io.BytesIO(files["model.weights.h5"])
    with h5py.File(weights, "r+") as store:
        store.move("attack", "training_attack")
    files["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name, content in files.items():
            old.writestr(name, content)

    loaded = keras.saving.load_model(tmp_path / "old.keras")

    assert float(ops.convert_to_numpy(loaded.attack.strength)) == 0.5
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(m.craft(x, y)) for m in (model, loaded))
    )
