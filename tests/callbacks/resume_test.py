"""Tests of trainings that are killed and go on."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from keras_attn_defense.callbacks import Resume
from tests.callbacks import resumed_training
from tests.callbacks.resumed_training import Kill
from tests.callbacks.resumed_training import defended
from tests.callbacks.resumed_training import train

BACKEND = keras.backend.backend()


class Killed(Exception):
    pass


def die():
    raise Killed


def killed(model, folder, step, *others, **kwargs):
    with pytest.raises(Killed):
        train(model, folder, Kill(step, die), *others, **kwargs)


def results(model, history, folder):
    """All that a training leaves behind, as arrays and text."""
    best = keras.saving.load_model(folder / "best.keras")
    lines = (folder / "log.jsonl").read_text().splitlines()
    rows = [{**json.loads(line), "seconds": None} for line in lines]
    return {
        "weights": model.get_weights(),
        "seeds": [np.array(v) for v in seeds(model)],
        "optimizer": [np.array(v) for v in model.optimizer.variables],
        "best": best.get_weights(),
        "log": repr(rows),
        "history": repr(history.history),
        "next": np.random.uniform(),  # What the program draws after `fit`.
    }


def seeds(model):
    return [v for v in model.variables if "seed" in v.path]


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
    history = train(model, folder)
    return results(model, history, folder)


def test_killed_in_process(tmp_path, uninterrupted):
    folder = tmp_path
    keras.utils.set_random_seed(3)
    killed(defended(), folder, 7)
    keras.utils.set_random_seed(99)
    killed(defended(), folder, 6)
    model = defended()
    history = train(model, folder)
    assert_equal(results(model, history, folder), uninterrupted)
