"""Tests of trainings that are killed and go on, bit for bit."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_attn_defense as kad
from keras_attn_defense.callbacks import Resume
from keras_attn_defense.callbacks._training_state import read_state
from keras_attn_defense.callbacks._training_state import write_state
from tests.callbacks import resumed_training
from tests.callbacks.resumed_training import Kill
from tests.callbacks.resumed_training import compiled
from tests.callbacks.resumed_training import defended
from tests.callbacks.resumed_training import images
from tests.callbacks.resumed_training import network
from tests.callbacks.resumed_training import train

ROOT = pathlib.Path(__file__).parent.parent.parent
# `KILLS=10` kills real processes at ten random steps.
KILLS = int(os.environ.get("KILLS", "1"))
LAST_STEP = resumed_training.EPOCHS * resumed_training.STEPS


class Killed(Exception):
    pass


def die():
    raise Killed


def killer(step):
    return Kill(step, die)


def results(model, history, folder):
    """All that a training leaves behind, as arrays and text."""
    best = keras.saving.load_model(folder / "best.keras")
    lines = (folder / "log.jsonl").read_text().splitlines()
    rows = [{**json.loads(line), "seconds": None} for line in lines]
    return {
        **numbers(model, history),
        "best": best.get_weights(),
        "log": repr(rows),
    }


def numbers(model, history):
    return {
        "variables": [np.array(v) for v in model.variables],
        "optimizer": [np.array(v) for v in model.optimizer.variables],
        "history": repr(history.history),
        "epochs": history.epoch,
        "next": np.random.uniform(),  # What the program draws after `fit`.
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if not isinstance(value, list):
            assert found[name] == value, name
            continue
        for own, its in zip(found[name], value, strict=True):
            np.testing.assert_array_equal(own, its, err_msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    keras.utils.set_random_seed(3)
    model = defended()
    return results(model, train(model, folder), folder)


@pytest.mark.parametrize(
    "step",
    np.random.default_rng(0).permutation(LAST_STEP)[:KILLS] + 1,
)
def test_a_process_that_is_killed(tmp_path, uninterrupted, step):
    program = pathlib.Path(resumed_training.__file__)
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(step)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    # Its seeds and its first weights are those of the process before.
    keras.utils.set_random_seed(99)
    model = defended()
    history = train(model, tmp_path)
    assert_equal(results(model, history, tmp_path), uninterrupted)


@pytest.mark.once
def test_killed_twice_and_not_trained_again_when_it_is_finished(
    tmp_path, uninterrupted
):
    keras.utils.set_random_seed(3)
    for step in (7, 6):
        with pytest.raises(Killed):
            train(defended(), tmp_path, killer(step))
    model = defended()
    history = train(model, tmp_path)
    assert_equal(results(model, history, tmp_path), uninterrupted)
    again = defended()
    history = train(again, tmp_path, killer(1))
    assert_equal(results(again, history, tmp_path), uninterrupted)


def fit(model, folder, *callbacks, data=None, epochs=3, seed=None, **kwargs):
    """Trains a plain model."""
    x, y = (*images(14),) if data is None else (data, None)
    if data is None:
        kwargs = {"batch_size": 4, **kwargs}
    return Resume(folder, seed=seed).fit(
        model, x, y, epochs=epochs, verbose=0, callbacks=callbacks, **kwargs
    )


def plain(seed=3, steps_per_execution=1):
    keras.utils.set_random_seed(seed)
    return compiled(
        network(), "sparse_categorical_crossentropy", steps_per_execution
    )


def assert_resumes(folder, make=plain, step=7, **kwargs):
    """Compares a training that is killed with one that is not."""
    model = make(3)
    expected = numbers(model, fit(model, folder / "whole", **kwargs))
    with pytest.raises(Killed):
        fit(make(3), folder / "killed", killer(step), **kwargs)
    model = make(5)
    found = numbers(model, fit(model, folder / "killed", **kwargs))
    assert_equal(found, expected)
    return found


@pytest.mark.once
def test_a_plain_model_in_half_precision_with_weights_and_a_part_for_validation(
    tmp_path,
):
    keras.config.set_dtype_policy("mixed_float16")
    found = assert_resumes(
        tmp_path,
        sample_weight=np.linspace(0, 1, 14),
        validation_split=0.2,
        epochs=2,
        step=5,
    )
    assert "val_loss" in found["history"]


@pytest.mark.backend("jax")  # PyTorch cannot, TensorFlow takes long.
def test_several_steps_at_once(tmp_path):
    def make(seed):
        return plain(seed, steps_per_execution=2)

    assert_resumes(tmp_path, make, step=3, epochs=2)


class Dataset(keras.utils.PyDataset):
    """Batches in an order that depends on the epoch, or on those before it."""

    def __init__(self):
        super().__init__()
        self.x, self.y = images(12)
        self.order = np.arange(12)

    def __len__(self):
        return 3

    def __getitem__(self, index):
        chosen = self.order[4 * index : 4 * index + 4]
        return self.x[chosen], self.y[chosen]


class Told(Dataset):
    def set_epoch(self, epoch):
        self.order = np.random.default_rng(epoch).permutation(12)


class Drawing(Dataset):
    def on_epoch_begin(self):
        self.order = np.random.permutation(12)


class Forgetful(Dataset):
    def __init__(self):
        super().__init__()
        self.random = np.random.default_rng(0)

    def on_epoch_end(self):
        self.order = self.random.permutation(12)


@pytest.mark.once
@pytest.mark.parametrize("kind", [Told, Drawing])
def test_a_data_set_whose_order_depends_on_the_epoch(tmp_path, kind):
    data = kind()
    assert_resumes(tmp_path, data=data, step=5)
    assert not np.array_equal(data.order, np.arange(12))


class Failing(Drawing):
    """A source that once fails, in the second epoch."""

    fails = True

    def __getitem__(self, index):
        if self.fails and index == 1 and (self.order != np.arange(12)).any():
            raise OSError("the file system is gone")
        return super().__getitem__(index)


@pytest.mark.once
def test_a_data_set_that_raises(tmp_path):
    model = plain()
    expected = numbers(model, fit(model, tmp_path / "whole", data=Drawing()))
    data = Failing()
    with pytest.raises(OSError, match="is gone"):
        fit(plain(), tmp_path / "failed", data=data)
    assert states(tmp_path / "failed")
    data.fails = False
    model = plain(5)
    found = numbers(model, fit(model, tmp_path / "failed", data=data))
    assert_equal(found, expected)


@pytest.mark.once
@pytest.mark.backend("torch")
def test_a_batch_that_does_not_fit_into_memory(tmp_path):
    import torch

    steps = iter(range(6))

    class Hungry(layers.Layer):
        def call(self, x, training=False):
            if training and next(steps, None) is None:
                raise torch.OutOfMemoryError("out of memory")
            return x

    def hungry(layer, seed=3):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [keras.Input((8, 8, 3)), layer, layers.Flatten(), layers.Dense(3)]
        )
        return compiled(model, "sparse_categorical_crossentropy")

    with pytest.raises(torch.OutOfMemoryError):
        fit(hungry(Hungry()), tmp_path / "failed")
    endless = type("Hungry", (layers.Layer,), {"call": lambda self, x: x})
    model = hungry(endless())
    expected = numbers(model, fit(model, tmp_path / "whole"))
    model = hungry(endless(), seed=5)
    found = numbers(model, fit(model, tmp_path / "failed"))
    assert_equal(found, expected)


@pytest.mark.once
@pytest.mark.backend("torch")
def test_a_loader_of_pytorch(tmp_path):
    import torch

    data = torch.utils.data.TensorDataset(*map(torch.tensor, images(12)))
    loader = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    assert_resumes(tmp_path, data=loader, step=5, shuffle=False)


@pytest.mark.once
def test_a_data_set_in_another_order_is_noticed(tmp_path):
    with pytest.raises(Killed):
        fit(plain(), tmp_path, killer(5), data=Forgetful())
    with pytest.warns(UserWarning, match="Epoch 2 does not begin as it did"):
        fit(plain(), tmp_path, data=Forgetful())


@pytest.mark.once
def test_arrays_are_shuffled_anew_and_whole_in_each_epoch(tmp_path):
    seen = []

    class Notes(keras.layers.Layer):
        def call(self, x, training=False):
            if training:
                seen.append(np.array(x[:, 0, 0, 0].detach()))
            return x

    model = keras.Sequential(
        [keras.Input((8, 8, 3)), Notes(), layers.Flatten(), layers.Dense(3)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    fit(model, tmp_path, epochs=2)
    batches = [batch for batch in seen if len(batch)][-8:]
    assert [len(batch) for batch in batches] == [4, 4, 4, 2] * 2
    first, second = (
        np.concatenate(batches[part]) for part in (slice(4), slice(4, 8))
    )
    whole = np.sort(images(14)[0][:, 0, 0, 0])
    assert not np.array_equal(first, second)
    for order in (first, second):
        assert not np.array_equal(order, images(14)[0][:, 0, 0, 0])
        np.testing.assert_array_equal(np.sort(order), whole)


class Counts(keras.callbacks.Callback):
    """Keeps what a user's callback may keep."""

    def __init__(self):
        super().__init__()
        self.big = np.zeros(3)
        self.total = np.zeros(2)
        self.notes = {}

    def on_epoch_end(self, epoch, logs=None):
        self.total += epoch  # In its place.
        self.notes[epoch] = (np.float32(0.1), [None, "text"], float("inf"))
        self.last = keras.ops.ones(2, "bfloat16") * epoch


@pytest.mark.once
def test_what_callbacks_keep_is_kept(tmp_path):
    with pytest.raises(Killed):
        fit(plain(), tmp_path, counts := Counts(), killer(10))
    early = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=9)
    with pytest.raises(ValueError, match=r"state would be lost: \['Counts'\]"):
        fit(plain(), tmp_path)
    again = Counts()
    again.big = np.ones(3)

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            assert epoch == 2
            np.testing.assert_array_equal(again.total, [1, 1])
            assert again.notes == counts.notes
            assert type(again.notes[0][0]) is np.float32
            assert keras.backend.standardize_dtype(again.last.dtype) == (
                "bfloat16"
            )
            np.testing.assert_array_equal(again.big, 1)  # No state.

    fit(plain(), tmp_path, again, Look())
    # One after the other, each with a patience of its own.
    folder = tmp_path / "early"
    with pytest.raises(Killed):
        fit(plain(), folder, early, killer(6))
    early = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=9)
    history = fit(plain(), folder, early)
    assert history.epoch == [0, 1]
    history = fit(plain(), folder, early, killer(1))
    assert history.epoch == [0, 1]


@pytest.mark.once
def test_more_epochs_than_before(tmp_path):
    model = plain()
    expected = numbers(model, fit(model, tmp_path / "whole", epochs=3))
    fit(plain(), tmp_path / "more", epochs=2)
    model = plain()
    found = numbers(model, fit(model, tmp_path / "more", epochs=3))
    assert_equal(found, expected)
    with pytest.raises(ValueError, match="has done 3 of 3 epochs.*epochs=2"):
        fit(plain(), tmp_path / "more", epochs=2)


def states(folder):
    return sorted(path.name for path in folder.glob("state_*"))


@pytest.mark.once
def test_a_damaged_file_and_a_full_disk(tmp_path):
    model = plain()
    expected = numbers(model, fit(model, tmp_path / "whole"))
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        fit(plain(), folder, killer(9))
    assert states(folder) == ["state_00001.npz", "state_00002.npz"]
    newest = folder / "state_00002.npz"
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    with pytest.warns(UserWarning, match=r"state_00002.npz' cannot be read"):
        with pytest.raises(Killed):
            fit(plain(), folder, killer(2))
    # A byte in the middle of the weights.
    older = folder / "state_00001.npz"
    damaged = bytearray(older.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    # A file that nothing can be written to.
    (folder / "state_00002.npz.tmp").symlink_to("/dev/full")
    with pytest.warns(UserWarning) as warned:
        model = plain()
        found = numbers(model, fit(model, folder))
    texts = [
        str(each.message) for each in warned if each.category is UserWarning
    ]
    assert "cannot be read" in texts[0] and "state_00001.npz" in texts[0]
    assert "before epoch 3 could not be written" in texts[1]
    assert "No space left" in texts[1]
    assert_equal(found, expected)
    assert states(folder)[-1] == "state_00003.npz"

    for path in folder.glob("state_*"):
        path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="No state in .* can be used"):
        fit(plain(), folder)
    with pytest.raises(OSError):
        (tmp_path / "file").write_text("")
        fit(plain(), tmp_path / "file")


class Evil:
    """Runs code when it is loaded."""

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("pwned"),)


@pytest.mark.once
@pytest.mark.parametrize(
    "content",
    [
        {"training": np.array([Evil()], dtype=object)},
        {"x": np.zeros(3)},
        {"training": np.zeros(3, "uint8")},
        {"training": np.frombuffer(b"[" * 9999, "uint8")},
        {"training": np.frombuffer(b'{"version": 2}', "uint8")},
        {"training": np.frombuffer(b'{"version": 1, "a": 3}', "uint8")},
        {
            "training": np.frombuffer(
                b'{"version": 1, "callbacks": ["ops", "__builtins__"]}', "uint8"
            )
        },
    ],
)
def test_files_of_strangers(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    np.savez("state_00001.npz", allow_pickle=True, **content)
    with pytest.raises(ValueError, match="No state in .* can be used"):
        fit(plain(), tmp_path)
    assert not pathlib.Path("pwned").exists()


@pytest.mark.once
def test_no_file_changes_where_others_are_written(tmp_path):
    log = kad.callbacks.TrainingLog(tmp_path / "log.csv")
    with pytest.raises(Killed):
        fit(plain(), tmp_path, log, killer(5))
    path = tmp_path / "state_00001.npz"
    state = read_state(path)
    state.callbacks["TrainingLog"]["path"] = str(tmp_path / "elsewhere.csv")
    with open(path, "wb") as file:
        write_state(file, state)
    fit(plain(), tmp_path, kad.callbacks.TrainingLog(tmp_path / "log.csv"))
    assert not (tmp_path / "elsewhere.csv").exists()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4


@pytest.mark.once
def test_another_training_is_refused(tmp_path):
    with pytest.raises(Killed):
        fit(plain(), tmp_path, killer(2))

    def refuses(text, model=None, **kwargs):
        with pytest.raises(ValueError, match=text):
            fit(model or plain(), tmp_path, **kwargs)

    other = plain()
    other.layers[2].rate = 0.4
    refuses(r"model\.layers.*rate was 0\.3 and is 0\.4", other)
    other = plain()
    other.compile("sgd", "sparse_categorical_crossentropy")
    refuses("compile.*class_name was AdamW and is SGD; and 21 more", other)
    refuses("fit.batch_size was 4 and is 5", batch_size=5)
    refuses(r"data\.validation_data.0 was", validation_data=images(4))
    wider = keras.Sequential(
        [keras.Input((8, 8, 3)), *plain().layers[:-1], layers.Dense(4)]
    )
    refuses("layers", compiled(wider, "sparse_categorical_crossentropy"))

    # A schedule of ours is told by its numbers.
    path = tmp_path / "defended"
    with pytest.raises(Killed):
        train(defended(), path, killer(1))
    model = defended()
    model.attack.epsilon = 4 / 255
    with pytest.raises(ValueError, match=r"attack\.config\.epsilon was"):
        train(model, path)
    model = defended()
    model.attack.seed = 1
    with pytest.raises(ValueError, match=r"attack.config.seed was None and is"):
        train(model, path)


@pytest.mark.once
def test_the_seed_decides_and_another_one_is_refused(tmp_path):
    def trained(folder, seed, draws):
        model = plain()
        np.random.seed(draws)
        fit(model, tmp_path / folder, epochs=1, seed=seed)
        return model.get_weights()[0]

    first = trained("first", seed=7, draws=0)
    np.testing.assert_array_equal(trained("second", seed=7, draws=1), first)
    assert (trained("third", seed=8, draws=0) != first).any()
    for seed, text in ((8, "was 7 and is 8. To go"), (None, "7 and is None.")):
        with pytest.raises(ValueError, match=f"`seed` of `Resume` .*{text}"):
            fit(plain(), tmp_path / "first", epochs=2, seed=seed)
    with pytest.raises(ValueError, match="`seed` should be"):
        Resume(tmp_path, seed=-1)


@pytest.mark.once
def test_a_learning_rate_that_a_callback_changed_is_no_other_setting(tmp_path):
    model = plain()
    model.compile(keras.optimizers.SGD(0.1), model.loss)
    halve = keras.callbacks.LearningRateScheduler(lambda _, rate: rate / 2)
    with pytest.raises(Killed):
        fit(model, tmp_path, halve, killer(9))
    fit(model, tmp_path, halve)  # The same object, as in a notebook.
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 / 8)


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"steps_per_epoch": 2}, "steps_per_epoch"),
        ({"data": iter([images(4)])}, "generator cannot go back"),
        ({"callbacks": [keras.callbacks.CSVLogger("log.csv")]}, "TrainingLog"),
        ({"callbacks": [keras.callbacks.BackupAndRestore("b")]}, "same. Leave"),
        ({"callbacks": [Resume("other")]}, "One `Resume` is enough"),
    ],
)
def test_what_cannot_be_resumed(tmp_path, arguments, message):
    callbacks = arguments.pop("callbacks", [])
    with pytest.raises(ValueError, match=message):
        fit(plain(), tmp_path / "state", *callbacks, **arguments)
    assert not (tmp_path / "state").exists()


@pytest.mark.once
def test_use_that_would_lose_something(tmp_path):
    with pytest.raises(ValueError, match=r"Resume\('.*'\)\.fit\(model"):
        plain().fit(*images(4), callbacks=[Resume(tmp_path)], verbose=0)
    unbuilt = keras.Sequential([layers.Flatten(), layers.Dense(3)])
    unbuilt.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="has to be built and compiled"):
        fit(unbuilt, tmp_path)


@pytest.mark.once
def test_it_says_where_it_goes_on(tmp_path, capsys):
    with pytest.raises(Killed):
        fit(plain(), tmp_path, killer(5))
    arguments = {"batch_size": 4, "epochs": 3, "verbose": 2}
    for expected in ("with epoch 2 of 3", "is finished"):
        Resume(tmp_path).fit(plain(), *images(14), **arguments)
        assert expected in capsys.readouterr().out


@pytest.mark.once
def test_the_best_epoch_before_a_collapse_is_not_forgotten(tmp_path):
    def watch():
        x, y = images(4)
        return kad.callbacks.CatastrophicOverfitting(
            x, y, action="restore", steps=1, fall=1.0, epsilon=1e-3
        )

    with pytest.raises(Killed):
        fit(plain(), tmp_path, first := watch(), killer(9))
    again = watch()
    fit(plain(), tmp_path, again)
    assert again.best_epoch is not None
    assert again.best_epoch <= first.best_epoch or again.best_epoch == 2
    assert again._best["val_pgd_accuracy"] >= first._best["val_pgd_accuracy"]
