"""Tests of labels, which are matched with the model's outputs or refused."""

import json

import numpy as np
import pytest

from keras_attn_defense.cli import data
from keras_attn_defense.cli.data import DataOptions
from keras_attn_defense.cli.data import load_data
from keras_attn_defense.cli.labels import model_labels
from keras_attn_defense.cli.labels import read_class_names
from tests import networks
from tests.cli.helpers import fails
from tests.cli.helpers import run
from tests.testing import to_numpy

pytestmark = pytest.mark.once

Image = pytest.importorskip("PIL.Image")
NAMES = ["ant", "bee", "cow", "doe"]
ORDER = ["doe", "ant", "bee", "cow"]
IMAGES, _ = networks.images_and_labels(8)
PICTURES = (255 * IMAGES).round().astype("uint8")
COMMANDS = {
    "evaluate": "evaluate net.keras --attacks fgsm --no-checks --epsilon 1/255 "
    "--out card.json --data ",
    "attack": "attack net.keras --attack fgsm --out out.npz --data ",
    "explain": "explain net.keras --labels true --out out.npz --data ",
}


@pytest.fixture(autouse=True)
def labels(folder):
    """Saves a model, and returns its predictions of the pictures as labels."""
    model = networks.sharpened(networks.sequential(), 20)
    # The pictures are of several classes.
    logits = np.asarray(model.predict(PICTURES / np.float32(255), verbose=0))
    (bias,) = (w for w in model.weights if w.path.endswith("head/bias"))
    bias.assign(to_numpy(bias.value) - logits.mean(0))
    model.save("net.keras")
    predicted = model.predict(PICTURES / np.float32(255), verbose=0).argmax(-1)
    assert len(set(predicted)) >= 3
    return predicted


def write(folder, labels, names, size=None, mode="RGB"):
    """Writes pictures to the folders of their classes."""
    for name in names:
        (folder / name).mkdir(parents=True)
    for number, label in enumerate(labels):
        image = Image.fromarray(PICTURES[number]).convert(mode)
        image = image.resize(size or image.size)
        image.save(folder / names[label] / f"{number}.png")


def clean_accuracy(command):
    assert run(command) == 0
    with open("card.json") as file:
        return json.load(file)["results"][0]["accuracy"]


def test_as_many_folders_as_outputs(labels, capsys, folder):
    write(folder / "pets", labels, NAMES)
    (folder / "pets" / ".cache").mkdir()

    assert clean_accuracy(COMMANDS["evaluate"] + "pets") == 1.0

    errors = capsys.readouterr().err
    assert "in their own order: 0 ant, 1 bee, 2 cow, 3 doe." in errors


@pytest.mark.parametrize("command", COMMANDS)
def test_fewer_folders_than_outputs(labels, command, capsys, folder):
    labels = labels % 3
    write(folder / "pets", labels, NAMES[:3])

    message = fails(COMMANDS[command] + "pets", capsys)

    assert "'pets' is 3 (ant, bee, cow), and the model has 4 out" in message
    assert "--class-names a b" in message


def test_names_put_folders_in_order(labels, capsys, folder):
    # Of class 0, "doe", there may be no picture, nor a folder.
    kept = labels != 0
    folders = [ORDER[label] for label in labels]
    for number in np.flatnonzero(kept):
        (folder / "pets" / folders[number]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(PICTURES[number]).save(
            folder / "pets" / folders[number] / f"{number}.png"
        )
    (folder / "names.txt").write_text("\n".join(ORDER) + "\n")

    for names in (" ".join(ORDER), "names.txt"):
        command = f"{COMMANDS['evaluate']}pets --class-names {names}"
        assert clean_accuracy(command) == 1.0
        errors = capsys.readouterr().err
        assert "classes, by name: 1 ant, 2 bee" in errors
        command = f"{COMMANDS['attack']}pets --png a.png --class-names {names}"
        assert run(command) == 0
        with np.load("out.npz") as file:
            assert sorted(file["y"]) == sorted(labels[kept])


@pytest.mark.parametrize("kind", ["strings", "named integers", "one-hot"])
def test_names_in_an_archive(labels, kind, capsys):
    stored = [NAMES.index(ORDER[label]) for label in labels]
    arrays = {
        "strings": {"y": np.array([ORDER[label] for label in labels])[:, None]},
        "named integers": {"y": stored, "class_names": NAMES},
        "one-hot": {"y": np.eye(4)[stored], "class_names": NAMES},
    }[kind]
    np.savez("pets.npz", x=PICTURES, **arrays)
    command = COMMANDS["evaluate"] + "pets.npz"

    assert clean_accuracy(f"{command} --class-names {' '.join(ORDER)}") == 1.0
    message = fails(f"{command} --class-names a b c d", capsys)
    assert "are not among --class-names a, b, c, d" in message
    np.savez("pets.npz", x=PICTURES, **{**arrays, "class_names": NAMES[:3]})
    if kind != "strings":
        message = fails(command, capsys)
        assert "range from 0 to 3, and it names 3 classes" in message


def test_integers_stay_as_they_are(labels, capsys):
    np.savez("pets.npz", x=PICTURES, y=labels)
    assert clean_accuracy(COMMANDS["evaluate"] + "pets.npz") == 1.0
    assert "classes" not in capsys.readouterr().err


def test_sets_whose_classes_are_known(monkeypatch, capsys):
    monkeypatch.setitem(data._SETS, "mnist", lambda: pytest.fail("was read"))
    message = fails(COMMANDS["evaluate"] + "mnist", capsys)
    assert "'mnist' is 10 (0, 1, 2, 3" in message


def test_tensorflow_datasets(monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=20):
        options = DataOptions((0.0, 1.0), num_classes=4)
        with pytest.raises(ValueError, match="'tfds:mnist' is 10"):
            load_data("tfds:mnist", options)
        digits = [str(digit) for digit in range(10)]
        _, plain = load_data("tfds:mnist", options._replace(num_classes=10))
        _, turned = load_data(
            "tfds:mnist",
            options._replace(num_classes=10, class_names=digits[::-1]),
        )
    np.testing.assert_array_equal(turned, 9 - plain)


@pytest.mark.parametrize("labels_of", ["folder", "archive"])
def test_limit_draws_from_each_class(labels_of, capsys, folder):
    names = np.repeat(NAMES, [20, 10, 6, 4])
    pictures = np.arange(40, dtype="uint8")[:, None, None, None]
    pictures = np.broadcast_to(pictures, (40, 8, 8, 3))
    if labels_of == "folder":
        for number, name in enumerate(names):
            (folder / "many" / name).mkdir(parents=True, exist_ok=True)
            file = folder / "many" / name / f"{number:02}.png"
            Image.fromarray(pictures[number]).save(file)
    else:
        np.savez("many", x=pictures, y=names)
        (folder / "many.npz").rename("many")
    options = DataOptions((0.0, 255.0), 20, num_classes=4)

    images, labels = load_data("many", options)

    assert np.bincount(labels).tolist() == [10, 5, 3, 2]
    numbers = images[:, 0, 0, 0].round().astype(int)
    np.testing.assert_array_equal(
        names[numbers], [NAMES[label] for label in labels]
    )
    assert "many: 20 of 40 images are drawn" in capsys.readouterr().err
    again, _ = load_data("many", options)
    np.testing.assert_array_equal(again, images)
    other, _ = load_data("many", options._replace(seed=1))
    assert (other != images).any()


def test_sizes_and_colors(labels, capsys, folder):
    write(folder / "pets", labels, NAMES, size=(12, 10), mode="L")
    command = COMMANDS["attack"] + "pets"

    message = fails(command, capsys)
    assert "of size (10, 12)" in message and "--image-size 8 8" in message
    assert run(command + " --image-size 8 8") == 0
    with np.load("out.npz") as file:
        assert file["x"].shape == (8, 8, 8, 3)
        np.testing.assert_array_equal(file["x"][..., 0], file["x"][..., 2])
    message = fails(command + " --image-size 8 8 --color-mode rgba", capsys)
    assert "(8, 8, 4)" in message
    np.savez("pets.npz", x=PICTURES, y=labels)
    for option in ("--image-size 8 8", "--color-mode rgb"):
        message = fails(f"{COMMANDS['attack']}pets.npz {option}", capsys)
        assert "is for folders of images" in message
    Image.fromarray(PICTURES[0]).save(folder / "pets" / "ant" / "other.png")
    assert "`--image-size HEIGHT WIDTH`" in fails(command, capsys)


@pytest.mark.parametrize(
    "names, message",
    [
        (["a", "b", "a"], r"should differ. Received \['a'\]"),
        (["none.txt"], "no file --class-names none.txt"),
    ],
)
def test_bad_names(names, message):
    with pytest.raises(ValueError, match=message):
        read_class_names(names)


def test_labels_that_names_do_not_cover():
    floats = model_labels("set", [0.0, 3.0], NAMES, 4, ORDER)
    np.testing.assert_array_equal(floats, [1, 0])
    with pytest.raises(ValueError, match=r"whole numbers.*\[0.5, 1.0\]"):
        model_labels("set", [0.5, 1.0], NAMES, 4, None)
    with pytest.raises(ValueError, match="range from 0 to 5, and it names 4"):
        model_labels("set", [0, 5], NAMES, 4, None)
    with pytest.raises(ValueError, match="contains 4 names, and the model"):
        model_labels("set", [0, 1], None, 3, NAMES)
