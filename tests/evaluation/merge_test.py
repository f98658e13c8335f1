"""Shards of an evaluation, merged, give the report of the whole."""

import json
import os
import shutil

import keras
import numpy as np
import pytest
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from tests.evaluation import helpers
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.helpers import brightness
from tests.evaluation.helpers import gradient_attacks
from tests.pages.helpers import IMAGES as NOISE
from tests.pages.helpers import network

pytestmark = pytest.mark.once

# 24 images in three blocks.
ARGUMENTS = {"epsilons": [0.03, 0.1], "batch_size": 2, "verbose": 0}


def shards(folder, count, model=None, x=IMAGES, y=LABELS, **arguments):
    """Evaluates shards, the last one first, and returns their files."""
    files = [folder / f"shard-{index}.npz" for index in range(count)]
    for index in reversed(range(count)):
        kad.evaluate_robustness(
            model or brightness(),
            x,
            y,
            shard=(index, count),
            state=files[index],
            **{**ARGUMENTS, "attacks": ["fgsm"], **arguments},
        )
    return files


def merged(files, model=None, x=IMAGES, y=LABELS, **arguments):
    arguments = {"checks": False, "verbose": 0, **arguments}
    return kad.evaluation.merge(files, model or brightness(), x, y, **arguments)


def content(report):
    """All that a report says, but the seconds."""
    card = report.to_dict()
    for row in card["results"]:
        del row["seconds"]
    samples = {k: v.tolist() for k, v in report.per_sample.items()}
    images = {k: v.tolist() for k, v in report.images.items()}
    about = [report.about["call"], str(samples), images]
    if report.gallery is None:
        return card, about
    return card, about, json.dumps(report.gallery, default=np.ndarray.tolist)


@pytest.mark.everywhere
@pytest.mark.parametrize("count", [2, 3])
def test_merged_shards_are_the_whole(tmp_path, count):
    model, labels = network()
    arguments = {
        **ARGUMENTS,
        "attacks": {
            "pgd": PGD(steps=2, seed=0),
            "square": kad.attacks.Square(queries=8, seed=0),
        },
        "keep_images": True,
        "gallery": 5,
    }
    files = shards(tmp_path, count, model, NOISE, labels, **arguments)
    whole = kad.evaluate_robustness(model, NOISE, labels, **arguments)
    report = merged(
        files[::-1],
        model,
        NOISE,
        labels,
        attacks=arguments["attacks"],
        checks=True,
    )
    assert content(report) == content(whole)
    assert None not in {flag.raised for flag in report.flags}


def test_shards_in_half_precision_are_the_whole(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model, labels = network()
    assert model.compute_dtype == "bfloat16"
    arguments = {**ARGUMENTS, "attacks": {"pgd": PGD(steps=2, seed=0)}}
    files = shards(tmp_path, 2, model, NOISE, labels, **arguments)
    whole = kad.evaluate_robustness(
        model, NOISE, labels, checks=False, **arguments
    )
    report = merged(files, model, NOISE, labels, attacks=arguments["attacks"])
    assert content(report) == content(whole)


def test_names_of_attacks_are_read_from_the_files(tmp_path):
    files = shards(tmp_path, 2, attacks="fgsm")
    report = merged(files, name="mine", dataset="dots")
    whole = helpers.evaluate(
        attacks="fgsm", name="mine", dataset="dots", **ARGUMENTS
    )
    assert content(report) == content(whole)
    assert report.to_dict()["name"] == "mine"


def test_limited_arrays_and_data_sets(tmp_path):
    whole = helpers.evaluate(limit=20, **ARGUMENTS)
    files = shards(tmp_path, 2, limit=20, attacks=["fgsm"])
    report = merged(files)
    assert content(report)[0]["images"] == "20 images, drawn from 24 by class"
    np.testing.assert_array_equal(
        report.per_sample["index"], whole.per_sample["index"]
    )

    def batches():
        for first in range(0, 24, 5):
            yield IMAGES[first : first + 5], LABELS[first : first + 5]

    files = [tmp_path / f"stream-{index}.npz" for index in range(3)]
    for index, file in enumerate(files):
        kad.evaluate_robustness(
            brightness(),
            batches(),
            attacks=["fgsm"],
            shard=(index, 3),
            state=file,
            **ARGUMENTS,
        )
    report = merged(files, x=batches(), y=None)
    expected = helpers.evaluate(attacks=["fgsm"], **ARGUMENTS)
    assert content(report) == content(expected)


def test_shard_reports_its_part(tmp_path):
    report = kad.evaluate_robustness(
        brightness(),
        IMAGES,
        LABELS,
        attacks="fgsm",
        gallery=4,
        shard=(1, 2),
        state=tmp_path / "shard.npz",
        **ARGUMENTS,
    )
    assert report.per_sample["index"].tolist() == list(range(8, 16))
    assert report.to_dict()["images"] == "8 images, shard 1 of 2"
    assert report.unreliable is None and report.gallery is None
    assert all("merge" in flag.sentence for flag in report.flags)
    assert "shard=(1, 2)" in report.about["call"]
    standing = helpers.DISTANCES[8:16] > 0.03
    assert report.robust_accuracy[0.03] == standing.mean()


def test_whole_evaluation_is_one_shard(tmp_path):
    file = tmp_path / "state.npz"
    whole = helpers.evaluate(attacks="fgsm", state=file, **ARGUMENTS)
    assert content(merged([file])) == content(whole)


def test_only_own_blocks_are_read(tmp_path):
    images = IMAGES.copy()
    images[8:16] = np.nan  # Whoever reads it refuses it.
    arguments = {**ARGUMENTS, "attacks": "fgsm", "shard": (2, 3)}
    kad.evaluate_robustness(
        brightness(), images, LABELS, state=tmp_path / "2.npz", **arguments
    )
    with pytest.raises(ValueError, match="images 8 to 15 of the data"):
        kad.evaluate_robustness(
            brightness(),
            images,
            LABELS,
            state=tmp_path / "1.npz",
            **{**arguments, "shard": (1, 3)},
        )


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    shards(folder, 3)
    return folder


@pytest.fixture
def files(evaluated, tmp_path):
    return [
        shutil.copy(evaluated / f"shard-{index}.npz", tmp_path)
        for index in range(3)
    ]


def refuses(message, files, **arguments):
    with pytest.raises(ValueError, match=message) as error:
        merged(files, **arguments)
    return str(error.value)


def test_missing_and_doubled_shards_are_named(files):
    assert merged(files).num_images == 24
    refuses("1 of 3 shards are missing, the first of them shard 1", files[::2])
    message = refuses("one and the same shard", [*files, files[1]])
    assert message.count("shard-1.npz' (shard 1 of 3)") == 2
    refuses("no state file 'shard-9.npz'", [*files, "shard-9.npz"])
    refuses("list of the state files", files[0])
    refuses("list of the state files", [])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:2000] + b"\x55" * 40 + content[2040:],
    ],
)
def test_damaged_shard_is_named(files, damage):
    with open(files[1], "rb") as file:
        content = file.read()
    with open(files[1], "wb") as file:
        file.write(damage(content))
    refuses("shard-1.npz' is damaged", files)


class Malicious:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def rewritten(path, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **arrays | changes)


def with_header(path, **changes):
    with np.load(path) as file:
        header = json.loads(str(file["header"]))
    rewritten(path, header=json.dumps(header | changes))


def test_pickles_in_a_shard_are_not_executed(files, tmp_path):
    trace = tmp_path / "executed"
    rewritten(files[1], labels=np.array([Malicious(trace)] * 8, object))
    with pytest.raises(OSError):  # It would do harm, if it were loaded.
        with np.load(files[1], allow_pickle=True) as file:
            file["labels"], file["labels"]
    trace.rmdir()
    refuses("shard-1.npz' is damaged.*could run code", files)
    assert not trace.exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"blocks": np.array([2])}, "Block 2 is not its own"),
        ({"jobs": np.array([1])}, "Block 1 is unfinished"),
        ({"rows": np.arange(16, 24)}, "places block 1 elsewhere"),
        ({"blocks": np.array([1.0])}, "'blocks' has another shape or type"),
    ],
)
def test_forged_shards(files, changes, message):
    rewritten(files[1], **changes)
    refuses(f"shard-1.npz' is damaged.*{message}", files)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"complete": False}, r"shard 1 of 3\) is not finished: it holds 1 bl"),
        ({"shard": [1, 4]}, "number of shards was 3 and is 4"),
        ({"shard": [3, 3]}, "calls itself shard"),
        ({"attacks": [1]}, "names its attacks"),
        ({"fingerprint": {}}, "different evaluations"),
        ({"format": "keras_attn_defense evaluation state 2"}, "another vers"),
    ],
)
def test_forged_headers(files, changes, message):
    with_header(files[1], **changes)
    assert "shard-1.npz" in refuses(message, files)


def test_enormous_claims_cost_nothing(files):
    for file in files:
        with_header(file, shard=[0, 10**12])
    refuses("one and the same shard", files)
    refuses("999999999999 of 1000000000000 shards are missing", files[:1])


def test_other_evaluations_are_recognized(files, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    others = shards(folder, 3, seed=1)
    message = refuses("seed was 0 and is 1", [files[0], others[1], files[2]])
    assert "'shard" not in message and str(others[1]) in message
    refuses("model_checksum was", files, model=brightness(30.0))
    refuses("content was", files, attacks={"fgsm": FGSM(name="x", epsilon=0.1)})
    for file in files:
        with_header(file, fingerprint={})
    refuses("damaged", files)


def test_other_data_is_recognized(files):
    labels = LABELS.copy()
    labels[9] = 1 - labels[9]
    message = refuses("block 1 of images or labels differs", files, y=labels)
    assert "shard-1.npz" in message
    more = np.concatenate([IMAGES, IMAGES[:1]]), np.append(LABELS, LABELS[:1])
    message = refuses("before image 24, and", files, x=more[0], y=more[1])
    assert "shard-0.npz" in message
    refuses("they know 24 images", files, x=IMAGES[:16], y=LABELS[:16])


def test_attacks_that_are_objects_have_to_be_given(tmp_path):
    files = shards(tmp_path, 2, attacks=gradient_attacks())
    refuses("the same `attacks`", files)
    assert merged(files, attacks=gradient_attacks()).num_images == 24


def test_shards_that_are_refused(tmp_path):
    def run(shard, state=tmp_path / "state.npz", **arguments):
        return helpers.evaluate(
            shard=shard, state=state, **ARGUMENTS | arguments
        )

    for shard in (3, (1,), (0.5, 2), (-1, 2), (0, 0), "01", (0, 1, 2)):
        with pytest.raises(ValueError, match=r"two whole numbers \(index, cou"):
            run(shard)
    with pytest.raises(ValueError, match=r"the last one is \(2, 3\)"):
        run((3, 3))
    with pytest.raises(ValueError, match="state='shard-1.npz'"):
        run((1, 3), state=None)
    with pytest.raises(ValueError, match="Shard 3 of 5 has no images: in bl"):
        run((3, 5))
    assert not list(tmp_path.iterdir())
    run((1, 3))
    with pytest.raises(
        ValueError, match="is shard 1 of 3, and this is shard 2"
    ):
        run((2, 3))
    with pytest.raises(ValueError, match="is shard 1 of 3, and this is all im"):
        run(None)


def test_attacks_without_gradients_are_left_out_together(tmp_path):
    inner = brightness()

    def rounded(images):
        return inner(ops.round(ops.stop_gradient(images) * 255) / 255)

    arguments = {
        **ARGUMENTS,
        "attacks": {
            "fgsm": FGSM(),
            "square": kad.attacks.Square(queries=8, seed=0),
        },
        "identity": "rounded",
    }
    whole = helpers.evaluate(rounded, **arguments)
    report = merged(
        shards(tmp_path, 2, rounded, **arguments),
        rounded,
        attacks=arguments["attacks"],
    )
    assert content(report) == content(whole)
    assert list(report.skipped) == ["fgsm"]
