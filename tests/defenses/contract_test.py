"""What every defense in front of a classifier fulfils."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense import defenses
from tests import networks
from tests.defenses.helpers import run_defense_test

LAYERS = {
    "bit_depth": lambda: defenses.BitDepthReduction(3),
    "jpeg": lambda: defenses.JPEGCompression(75),
    "total_variation": lambda: defenses.TotalVariationMinimization(seed=1),
    "resize_pad": lambda: defenses.RandomResizePad(seed=1),
    "crop": lambda: defenses.CropRescale(seed=1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_contract(name, known, tmp_path):
    run_defense_test(LAYERS[name](), known[0][:4], tmp_path)


def test_bit_depth():
    layer = defenses.BitDepthReduction(2, value_range=(-1, 1))
    images = np.linspace(-1, 1, 12, dtype="float32").reshape(1, 2, 2, 3)
    expected = np.round((images + 1) * 1.5) / 1.5 - 1
    np.testing.assert_allclose(layer(images), expected, atol=1e-6)
    for bits in (0, 9, 2.5):
        with pytest.raises(ValueError, match="`bits` should be"):
            defenses.BitDepthReduction(bits)


@pytest.mark.backend("tensorflow")
def test_export(known, tmp_path):
    import tensorflow as tf

    network, x = networks.functional(), networks.images_and_labels(2)[0]
    layers = [make() for make in LAYERS.values()]
    pruning = defenses.StochasticActivationPruning(seed=1)
    model = defenses.defend(network, *layers, defenses.AntiAdversary(), pruning)
    plain = defenses.defend(network, *layers[:2], defenses.AntiAdversary())
    for each, path in ((model, "random"), (plain, "plain")):
        kad.export(each, tmp_path / path / "1")
    found = {}
    for path in ("random", "plain"):
        loaded = tf.saved_model.load(str(tmp_path / path / "1"))
        serve = loaded.signatures["serving_default"]
        found[path] = [serve(images=x)["predictions"] for _ in range(2)]
    np.testing.assert_array_equal(*found["plain"])
    np.testing.assert_allclose(
        found["plain"][0], plain.predict(x, verbose=0), atol=1e-5
    )
    assert abs(found["random"][0] - found["random"][1]).numpy().max() > 1e-3


@pytest.mark.once
def test_order_and_compilation():
    network = networks.functional()
    network.compile("sgd", "sparse_categorical_crossentropy")
    first, second = (defenses.BitDepthReduction(bits) for bits in (1, 8))
    model = defenses.defend(network, first, second, name="both")
    assert model.name == "both" and model.compiled
    assert model.preprocessing is first
    assert model.network.preprocessing is second
    assert model.network.network is network
    assert model.value_range == (0.0, 1.0)
    assert model.loss == network.loss


@pytest.mark.once
def test_what_cannot_be_put_in_front():
    network = networks.functional()
    with pytest.raises(ValueError, match="one or more defenses"):
        defenses.defend(network)
    with pytest.raises(ValueError, match="inherit from"):
        defenses.defend(network, keras.layers.Rescaling(2.0))
    bytes_of = kad.preprocessing.with_preprocessing(network, (0, 1))
    with pytest.raises(ValueError, match=r"value_range=\(0.0, 255.0\)"):
        defenses.defend(bytes_of, defenses.BitDepthReduction())
    fitting = defenses.BitDepthReduction(value_range=(0, 255))
    assert defenses.defend(bytes_of, fitting).value_range == (0.0, 255.0)
