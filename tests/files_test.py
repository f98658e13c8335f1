"""Tests of untrusted files: clear errors, no code is run, bounded memory."""

import io
import json
import os
import pathlib
import resource
import sys
import zipfile
import zlib

import keras
import numpy as np
import pytest

from keras_attn_defense import _archives
from keras_attn_defense._files import read_json
from keras_attn_defense._files import replacing
from keras_attn_defense.cli.checked import load_model
from keras_attn_defense.cli.data import DataOptions
from keras_attn_defense.cli.data import load_data
from keras_attn_defense.datasets import load_image_folder
from keras_attn_defense.datasets import load_npz
from tests import networks

IMAGES = np.zeros((2, 4, 4, 3), "uint8")


class Evil:
    """Runs code when it is loaded."""

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("pwned"),)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def header(shape="(2, 4, 4, 3)", descr="'|u1'"):
    """The beginning of a `.npy` file that claims something."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def write(**members):
    """A zip file of bytes, named as in a `.npz` of images and labels."""
    saved = io.BytesIO()
    np.save(saved, np.arange(2))
    with zipfile.ZipFile("set.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x_train", "x_test", "x"):
            archive.writestr(f"{name}.npy", header() + bytes(96))
        for name in ("y_train", "y_test", "y"):
            archive.writestr(f"{name}.npy", saved.getvalue())
    members = {"x_train": b"", "x": b"", **members}
    with zipfile.ZipFile("set.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if content:
                archive.writestr(f"{name}.npy", content)


def pickled():
    content = io.BytesIO()
    np.save(content, np.array([Evil()], object), allow_pickle=True)
    return content.getvalue()


FORGED = {
    "huge shape": (header(f"({2**40}, 4, 4, 3)") + bytes(96), "claims the sh"),
    "endless shape": (header(f"({10**40},)") + bytes(96), "claims the shape"),
    "negative shape": (header("(-2, -4, 4, 3)") + bytes(96), "claims the sh"),
    "truncated": (header() + bytes(50), "claims the shape .* and holds 50"),
    "longer": (header() + bytes(200), "claims the shape"),
    "no header": (b"\x93NUMPY\x01\x00", "no header of an array"),
    "no array": (b"<script>alert(1)</script>", "no header of an array"),
    "nested": (header("(" * 5000), "no header of an array"),
    "version": (b"\x93NUMPY\x09\x00" + bytes(200), "no header of an array"),
    "records": (header(descr="[('a', '|u1')]") + bytes(96), "numbers or str"),
    "dates": (header(descr="'<M8[s]'") + bytes(768), "numbers or strings"),
    "pickled": (pickled(), "as it could run code"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", FORGED)
def test_forged_arrays(kind, folder):
    content, message = FORGED[kind]
    write(x_train=content, x=content)

    with pytest.raises(ValueError, match=message):
        load_npz("set.npz")
    write(x_test=content)
    with pytest.raises(ValueError, match=message):
        load_data("set.npz", DataOptions((0.0, 1.0)))
    assert not (folder / "pwned").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:60] + b"\x55" * 20 + content[80:],
        lambda content: content.replace(b"x.npy", b"../xy"),
        lambda content: content.replace(b"PK\x03\x04", b"PK\x00\x00"),
    ],
)
def test_damaged_archives(damage):
    path = pathlib.Path("set.npz")
    # The first array is the one that is asked for, by both.
    np.savez(path, x=IMAGES, x_train=IMAGES, y=[0, 1])
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ValueError, match="set.npz"):
        load_data(str(path), DataOptions((0.0, 1.0)))
    with pytest.raises(ValueError, match="set.npz"):
        load_npz(path)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(_archives, "_GIBIBYTE", 2**20)
    np.savez_compressed("set.npz", x=np.zeros((64, 2**18), "uint8"), y=[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(ValueError, match="claims to hold 16777"):
        load_data("set.npz", DataOptions((0.0, 1.0)))

    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 2**13  # KiB
    # The same without compression is as large as it looks.
    np.savez("set.npz", x=np.zeros((64, 64, 64), "uint8"), y=np.zeros(64, int))
    assert load_data("set.npz", DataOptions((0.0, 1.0)))[0].shape[0] == 64


def chunk(kind, content):
    """A part of a PNG file."""
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


def png(width, height):
    """A PNG file that claims a size, and holds next to nothing."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size + b"\x08\x02\x00\x00\x00")
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


def saved_picture(**arguments):
    Image = pytest.importorskip("PIL.Image")
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), "uint8")
    Image.fromarray(noise).save(content, **arguments)
    return content.getvalue()


def sixteen_bits():
    Image = pytest.importorskip("PIL.Image")
    content = io.BytesIO()
    Image.fromarray(np.full((4, 4), 4000, "uint16")).save(content, "png")
    return content.getvalue()


@pytest.mark.parametrize(
    "content, message",
    [
        (lambda: b"", "'.*<script>.png' holds no image that can be read"),
        (lambda: b"<svg onload='alert(1)'/>", "holds no image"),
        (lambda: saved_picture(format="png")[:-600], "or a part of one"),
        (lambda: saved_picture(format="jpeg")[:-300], "or a part of one"),
        (lambda: png(100_000, 100_000), "of more than 178,956,970 pixels"),
        (lambda: png(60, 60), "or a part of one"),
        (sixteen_bits, "more than 8 bits a value"),
    ],
)
def test_images_that_are_none(content, message, folder):
    pytest.importorskip("PIL")
    for split in ("train", "test"):
        (folder / "pets" / split / "a").mkdir(parents=True)
        (folder / "pets" / split / "a" / "<script>.png").write_bytes(content())

    with pytest.raises(ValueError, match=message) as error:
        load_image_folder("pets")
    assert "BytesIO" not in str(error.value)
    with pytest.raises(ValueError, match=message):
        load_data("pets", DataOptions((0.0, 1.0)))


def test_a_pipe_among_images_is_not_waited_for(folder):
    pytest.importorskip("PIL")
    (folder / "pets" / "a").mkdir(parents=True)
    (folder / "pets" / "a" / "0.png").write_bytes(saved_picture(format="png"))
    os.mkfifo(folder / "pets" / "a" / "1.png")

    assert load_data("pets", DataOptions((0.0, 1.0)))[0].shape == (1, 32, 32, 3)


def model_file(change=None, **members):
    """A `.keras` file, its configuration or members changed."""
    networks.linear().save("model.keras")
    with zipfile.ZipFile("model.keras") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(content["config.json"])
    if change is not None:
        change(config["config"]["layers"])
    content["config.json"] = json.dumps(config)
    with zipfile.ZipFile("model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in {**content, **members}.items():
            archive.writestr(name, each)


def foreign(module, name, config):
    def change(layers):
        layers[1] = {
            "module": module,
            "class_name": name,
            "config": config,
            "registered_name": None,
        }

    return change


def lambda_layer(layers):
    inputs = keras.Input((2,))
    outputs = keras.layers.Lambda(lambda x: Evil().__reduce__() and x)(inputs)
    config = keras.Model(inputs, outputs).get_config()
    layers[1] = config["layers"][1]


@pytest.mark.parametrize(
    "change",
    [
        foreign("os", "system", "touch pwned"),
        foreign("evil", "Evil", {}),
        foreign("keras.utils", "get_file", {"fname": "pwned", "origin": ""}),
        lambda_layer,
        lambda layers: layers.clear(),
    ],
)
def test_models_with_foreign_code(change, folder, monkeypatch):
    (folder / "evil.py").write_text("open('pwned', 'w').close()\nEvil = 1\n")
    monkeypatch.syspath_prepend(folder)
    model_file(change)

    with pytest.raises(ValueError, match="'model.keras' could not be loaded"):
        load_model("model.keras")
    assert not (folder / "pwned").exists()
    assert "evil" not in sys.modules


def test_models_that_are_none(folder, monkeypatch):
    model_file()
    content = (folder / "model.keras").read_bytes()
    for damaged in (content[:-30], content[: len(content) // 2], b"garbage"):
        (folder / "model.keras").write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a Keras model, or only"):
            load_model("model.keras")

    model_file(**{"../outside.txt": b"out", "assets/../../outside.txt": b"out"})
    with pytest.warns(UserWarning, match="Skipping invalid path"):
        load_model("model.keras")
    assert not list(folder.parent.glob("outside.txt"))

    monkeypatch.setattr(_archives, "_GIBIBYTE", 2**20)
    model_file(**{"model.weights.h5": bytes(2**23)})
    with pytest.raises(ValueError, match="claims to hold 83"):
        load_model("model.keras")


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"half": [1, 2',
        "<script>alert(1)</script>",
        "[" * 100_000,
        "1" * 10_000,
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_broken_json(text):
    path = pathlib.Path("card.json")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(ValueError, match="card 'card.json' is truncated"):
        read_json(path, "card")


def test_json_is_only_data():
    path = pathlib.Path("card.json")
    path.write_text(json.dumps({"py/object": "os.system", "a": "<script>"}))

    assert read_json(path, "card") == {
        "py/object": "os.system",
        "a": "<script>",
    }


def test_a_file_that_could_not_be_written_is_the_old_one(folder):
    path = folder / "file"
    path.write_text("old")
    with pytest.raises(KeyError):
        with replacing(path) as file:
            file.write(b"new, and half")
            raise KeyError
    assert path.read_text() == "old"
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert [each.name for each in folder.iterdir()] == ["file"]
