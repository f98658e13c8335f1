"""Files from strangers: a sentence, no code run, no memory without bound."""

import io
import json
import pathlib
import resource
import zipfile

import numpy as np
import pytest

from keras_attn_defense import _archives
from keras_attn_defense._files import read_json
from keras_attn_defense.cli.data import load_data
from keras_attn_defense.datasets import load_npz

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
        load_data("set.npz", (0.0, 1.0))
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
        load_data(str(path), (0.0, 1.0))
    with pytest.raises(ValueError, match="set.npz"):
        load_npz(path)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(_archives, "_GIBIBYTE", 2**20)
    np.savez_compressed("set.npz", x=np.zeros((64, 2**18), "uint8"), y=[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(ValueError, match="claims to hold 16777"):
        load_data("set.npz", (0.0, 1.0))

    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 2**13  # KiB
    # The same without compression is as large as it looks.
    np.savez("set.npz", x=np.zeros((64, 2**12), "uint8"), y=np.zeros(64, int))
    assert load_data("set.npz", (0.0, 1.0))[0].shape[0] == 64


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
