"""Interrupted evaluations end with the same numbers."""

import functools
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD
from tests.evaluation import helpers
from tests.evaluation.interrupted import evaluate
from tests.evaluation.interrupted import numbers

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).parents[2]


def run_until_killed(path, moment, saves):
    command = [sys.executable, "-m", "tests.evaluation.interrupted"]
    result = subprocess.run(
        [*command, str(path), moment, str(saves)],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


def units(path):
    with np.load(path) as file:
        return int(file["jobs"].sum())


@pytest.mark.slow
def test_killed_three_times_and_started_again(tmp_path):
    path = tmp_path / "state.npz"
    expected = numbers(evaluate(None))

    # 24 images in blocks of 8, two attacks at two epsilons: 12 units of work.
    run_until_killed(path, "written", 3)
    assert units(path) == 3
    run_until_killed(path, "writing", 2)
    assert units(path) == 4
    assert path.with_name("state.npz.tmp").stat().st_size == 100
    run_until_killed(path, "attacking", 3)
    assert units(path) == 7

    assert numbers(evaluate(path)) == expected
    assert units(path) == 12


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "state.npz"
    expected = numbers(evaluate(path))
    return path.read_bytes(), expected


@pytest.fixture
def finished(tmp_path, written):
    content, expected = written
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    return path, expected


@pytest.mark.everywhere
def test_finished_state_is_not_attacked_again(finished, monkeypatch):
    path, expected = finished
    monkeypatch.setattr(PGD, "run", None)
    assert numbers(evaluate(path)) == expected
    # What an attack is called by Keras is no difference.
    attacks = {"fgsm": FGSM(name="other"), "pgd": PGD(steps=3, seed=1)}
    assert numbers(evaluate(path, attacks=attacks)) == expected


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"epsilons": [0.03]},
            r"threat_model.epsilons was \[0.03, 0.1\] and is",
        ),
        ({"seed": 3}, "seed was 0 and is 3"),
        ({"batch_size": 3}, "batch_size was 2 and is 3"),
        ({"limit": 10}, "limit was None and is 10"),
        ({"keep_images": False}, "keep_images"),
        ({"attacks": FGSM()}, "attacks.pgd was .* and is None"),
        (
            {"attacks": {"fgsm": FGSM(), "pgd": PGD(steps=2, seed=1)}},
            "attacks.pgd.steps was 3 and is 2",
        ),
        ({"model": helpers.brightness(30.0)}, "model_checksum was"),
        ({"x": helpers.IMAGES[::-1]}, "block 0 of images or labels differs"),
        ({"x": helpers.IMAGES[:16], "y": helpers.LABELS[:16]}, "24 images"),
    ],
)
def test_other_evaluation_is_recognised(finished, change, message):
    path, _ = finished
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message) as error:
        evaluate(path, **change)
    assert str(path) in str(error.value) and "elete" in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: b"no state at all",
        lambda content: content.replace(b"labels", b"lapels"),
        lambda content: content[:3000] + b"\x55" * 40 + content[3040:],
    ],
)
def test_damaged_file_is_recognised(finished, damage):
    path, _ = finished
    content = damage(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged") as error:
        evaluate(path)
    assert str(path) in str(error.value)
    assert path.read_bytes() == content


CHEAP = {"attacks": FGSM(), "epsilons": 0.1, "batch_size": 24}


def around(layer, model=None):
    """The model behind a layer without weights."""
    inputs = keras.Input(helpers.IMAGE_SHAPE)
    return keras.Model(inputs, (model or helpers.brightness())(layer(inputs)))


def returns_the_images(model, images, labels):
    return images


def darkens(model, images, labels):
    return images - np.minimum(images, 0.1)


MODELS = {
    "functions": (
        lambda: functools.partial(helpers.brightness()),
        lambda: functools.partial(helpers.brightness(middle=0.501)),
    ),
    "parameterless layers": (
        lambda: around(layers.Rescaling(1.0)),
        lambda: around(layers.Rescaling(1.001)),
    ),
    "activations": (
        lambda: around(layers.Activation("linear")),
        lambda: around(layers.Activation("relu")),
    ),
    "preprocessings that differ outside of the range": (
        lambda: kad.attacks.BPDA(helpers.brightness(), ops.abs),
        lambda: kad.attacks.BPDA(helpers.brightness(), ops.relu),
    ),
    "approximations": (
        lambda: kad.attacks.BPDA(helpers.brightness(), ops.abs, ops.sin),
        lambda: kad.attacks.BPDA(helpers.brightness(), ops.abs, ops.tanh),
    ),
}


@pytest.mark.everywhere
@pytest.mark.parametrize("kind", MODELS)
def test_other_model_is_recognized(kind, tmp_path):
    path = tmp_path / "state.npz"
    one, other = MODELS[kind]
    expected = numbers(evaluate(path, model=one(), **CHEAP))
    assert numbers(evaluate(path, model=one(), **CHEAP)) == expected
    with pytest.raises(ValueError, match="model_checksum was"):
        evaluate(path, model=other(), **CHEAP)


def test_function_that_reads_a_file_is_known_by_its_outputs(tmp_path):
    path, file = tmp_path / "state.npz", str(tmp_path / "factor.txt")
    model = helpers.brightness()

    def scaled(images):
        return model(images) * float(np.loadtxt(file))

    for factor in (1.0, 1.0):
        np.savetxt(file, [factor])
        evaluate(path, model=scaled, **CHEAP)
    np.savetxt(file, [1.01])
    with pytest.raises(ValueError, match="model_checksum was"):
        evaluate(path, model=scaled, **CHEAP)


def test_other_attack_of_the_same_name_is_recognized(tmp_path):
    path = tmp_path / "state.npz"

    def run(function):
        return evaluate(path, **{**CHEAP, "attacks": {"mine": function}})

    assert run(returns_the_images).robust_accuracy[0.1] == 1.0
    with pytest.raises(ValueError, match="attacks.mine.content was"):
        run(darkens)


def test_attacks_of_another_library_are_known_by_their_images(
    tmp_path, monkeypatch
):
    import foolbox

    path = tmp_path / "state.npz"

    def run():
        attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
        attack = kad.adapters.from_foolbox(attack)
        return evaluate(path, **{**CHEAP, "attacks": {"mine": attack}})

    assert numbers(run()) == numbers(run())
    original = foolbox.attacks.LinfFastGradientAttack.project
    monkeypatch.setattr(
        foolbox.attacks.LinfFastGradientAttack,
        "project",
        lambda self, x, x0, epsilon: original(self, x, x0, 0.5 * epsilon),
    )
    with pytest.raises(ValueError, match="attacks.mine.content was"):
        run()


def test_random_function_asks_for_an_identity(tmp_path):
    path, model = tmp_path / "state.npz", helpers.brightness()
    generator = np.random.default_rng(0)

    def noisy(images):
        return model(images) + generator.normal(scale=1e-6)

    with pytest.raises(ValueError, match="the model cannot be recognized"):
        evaluate(path, model=noisy, **CHEAP)
    evaluate(path, model=noisy, identity="noisy-v1", **CHEAP)
    evaluate(path, model=noisy, identity="noisy-v1", **CHEAP)
    with pytest.raises(ValueError, match="identity was 'noisy-v1' and is"):
        evaluate(path, model=noisy, identity="noisy-v2", **CHEAP)


def test_more_data_than_was_there_is_recognized(tmp_path):
    path = tmp_path / "state.npz"
    x, y = helpers.IMAGES, helpers.LABELS
    cheap = {**CHEAP, "batch_size": 2}
    evaluate(path, x=x[:16], y=y[:16], **cheap)
    with pytest.raises(ValueError, match="all of its 16 images"):
        evaluate(path, x=x, y=y, **cheap)
    with pytest.raises(ValueError, match="labels differs"):
        evaluate(path, x=x[:16], y=1 - y[:16], **cheap)


def test_folder_has_to_exist(tmp_path):
    with pytest.raises(ValueError, match="Create it first"):
        evaluate(tmp_path / "no" / "state.npz")


def _with(path, **changes):
    """Rewrites the arrays of a state file, some of them changed."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays.update(changes)
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.zeros(3)},
        {"labels": np.int64(3)},
        {"predictions": np.zeros(3, "int64")},
        {"work": np.zeros(2)},
        {"jobs": np.array(["many"] * 3)},
        {"jobs": np.array([4, 4, 5])},
        {"sizes": np.array([8, 8, 0])},
        {"sizes": np.array([8, 8, 9])},
        {"blocks": np.array([0, 1, 1])},
        {"rows": np.arange(24)[::-1]},
        {"rows": np.arange(1, 25)},
        {"images rows": np.arange(23)},
        {"checksums": np.zeros((1, 1), "int64")},
        {"labels": None},
        {"header": np.array("[1, 2]")},
        {"header": np.array("[" * 100_000)},
        {"header": np.array("{}")},
        {"labels": np.array([{}], object)},
    ],
)
def test_forged_state_files(finished, changes):
    path, _ = finished
    _with(path, **changes)
    with pytest.raises(ValueError, match="is damaged or not a state file"):
        evaluate(path)
