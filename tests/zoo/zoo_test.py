"""The models of the zoo are what their cards say, on each backend."""

import hashlib
import pathlib
import zipfile

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.evaluation.card import outcomes

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "keras_attn_defense" / "zoo"
NAMES = kad.zoo.names()


def test_names():
    assert NAMES == sorted(NAMES) and "digits" in NAMES
    files = {path.name for path in FOLDER.glob("*.*") if path.suffix != ".py"}
    assert files == {n + end for n in NAMES for end in (".keras", ".json")}


@pytest.mark.parametrize("function", [kad.zoo.load, kad.zoo.card])
@pytest.mark.parametrize("name", ["resnet_9000", "", "../zoo/digits", 3])
def test_unknown_name(function, name):
    with pytest.raises(ValueError, match="'digits'.*Received: ") as error:
        function(name)
    assert str(error.value).endswith(repr(name))


@pytest.mark.once
@pytest.mark.parametrize("name", NAMES)
def test_file_is_the_one_that_was_measured(name):
    card, content = kad.zoo.card(name), (FOLDER / f"{name}.keras").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    training = card["training"]
    assert card["threat_model"]["epsilons"] == [training["epsilon"]]
    assert f"benchmarks/train_zoo.py {name}" in training["command"]
    assert card["name"] == name and card["dataset"] == training["dataset"]
    assert card["autoattack_acc"] is not None and not card["unreliable"]


@pytest.mark.once
def test_files_hold_weights_only_and_are_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.*")) < 5e6
    for name in NAMES:
        path = FOLDER / f"{name}.keras"
        weights = kad.zoo.load(name).count_params() * 4
        # Adam would have twice as much again.
        assert path.stat().st_size < 1.5 * weights + 1e5
        with zipfile.ZipFile(path) as archive:
            assert set(archive.namelist()) == {
                "metadata.json",
                "config.json",
                "model.weights.h5",
            }


@pytest.mark.parametrize("name", NAMES)
def test_model_gives_logits_of_float32(name):
    model = kad.zoo.load(name)
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert not model.compiled
    assert model.layers[-1].activation is keras.activations.linear
    x = np.random.default_rng(0).random((3, *model.input_shape[1:]), "float32")
    assert model.predict(x, verbose=0).shape == (3, 10)


def digits():
    """The test digits of `benchmarks/recipes.py`."""
    x, y = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(x))[1400:]
    return x[rows].reshape(-1, 8, 8, 1).astype("float32") / 16, y[rows]


def digit_scenes():
    pytest.importorskip("sklearn")
    return kad.datasets.load_digit_scenes(1, 1000)[1][:2]


def mnist():
    """MNIST's test images, where they are at hand."""
    path = ROOT.parent / "shared" / "data" / "mnist.npz"
    if not path.exists():
        pytest.skip("MNIST is not here")
    return kad.datasets.load_npz(path)[1][:2]


@pytest.mark.parametrize("data", [digits, digit_scenes, mnist])
def test_model_withstands_what_its_card_says(data):
    name = data.__name__
    card = kad.zoo.card(name)
    epsilon = card["training"]["epsilon"]
    report = kad.evaluate_robustness(
        kad.zoo.load(name),
        *data(),
        attacks=["fgsm", kad.attacks.PGD(steps=10)],
        epsilons=epsilon,
        limit=card["num_images"],
        seed=card["training"]["seed"],
        checks=False,
        verbose=0,
    )
    known, own = outcomes(card), outcomes(report.to_dict())
    # The same images, of which rounding may move one.
    assert np.sum(known[0.0] != own[0.0]) <= 1
    # What withstands AutoAttack withstands less. Ten steps find nearly as
    # much as a hundred.
    assert np.sum(known[epsilon] & ~own[epsilon]) <= 1
    rows = {row["attack"]: row for row in card["results"]}
    hundred = rows["autoattack/apgd-ce"]["accuracy"]
    assert hundred <= report.robust_accuracy[epsilon] < hundred + 0.1


@pytest.mark.once
def test_documentation_says_what_the_cards_say():
    text = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")
    for name in NAMES:
        card = kad.zoo.card(name)
        row = next(r for r in text.splitlines() if r.startswith(f'| `"{name}"'))
        results = {row["attack"]: row for row in card["results"]}
        assert row.split(" | ")[-3:] == [
            str(card["num_images"]),
            percent(results["clean"]),
            percent(results["worst case"]) + " |",
        ]


def percent(row):
    """An accuracy with its interval, in percent."""
    numbers = (row["accuracy"], *row["interval"])
    return "{:.1f} ({:.1f} - {:.1f})".format(*(100 * n for n in numbers))
