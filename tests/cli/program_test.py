"""`python -m keras_attn_defense`, in processes of its own."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import pytest

from keras_attn_defense import _command_line_backend as command_line
from keras_attn_defense.cli import main
from keras_attn_defense.evaluation import load_card
from tests.cli.helpers import fails
from tests.testing import BACKEND

ROOT = pathlib.Path(__file__).parent.parent.parent
OTHER = {"tensorflow": "jax", "jax": "torch", "torch": "jax"}[BACKEND]


def program(command, **environment):
    """Runs the program; the environment names no backend."""
    inherited = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, "-m", "keras_attn_defense", *command.split()],
        capture_output=True,
        text=True,
        timeout=300,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
    )


def test_backend_is_chosen_before_keras_is_imported():
    result = program(
        "evaluate model.keras --data test.npz --attacks fgsm --epsilon 0.1 "
        f"--no-checks --out card.json --fail-under 0.9 --backend {BACKEND}",
        # What cannot be imported would show if it were.
        KERAS_BACKEND="none",
    )
    assert result.returncode == 1, result.stderr
    assert "is below 0.9" in result.stderr
    assert "Traceback" not in result.stderr
    assert load_card("card.json")["backend"] == BACKEND


def test_backend_of_the_environment_and_bad_input():
    result = program(
        "explain model.keras --data nothing.npz --out maps.npz",
        KERAS_BACKEND=BACKEND,
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: There is no data")
    assert "Traceback" not in result.stderr


def chosen(monkeypatch, argv, orig_argv):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    monkeypatch.setenv("KERAS_BACKEND", "before")
    command_line.choose_backend()
    return os.environ["KERAS_BACKEND"]


def test_only_the_program_chooses(monkeypatch):
    def run(*words, module="keras_attn_defense"):
        python = ["python", "-X", "dev", "-m", module]
        return chosen(monkeypatch, ["-m", *words], [*python, *words])

    assert run("evaluate", "--backend", OTHER) == OTHER
    assert run("evaluate", f"--backend={OTHER}", "--limit", "3") == OTHER
    assert run("evaluate", "--limit", "3") == "before"
    assert run() == "before"
    assert run("--backend") == "before"
    assert run("--backend", "caffe") == "before"
    assert run("--backend", OTHER, module="another_package") == "before"
    words = ["train.py", "--backend", OTHER]
    assert chosen(monkeypatch, words, ["python", *words]) == "before"


def test_backend_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = ["evaluate", "--backend", OTHER]
    with pytest.raises(SystemExit) as raised:
        chosen(
            monkeypatch,
            ["-m", *words],
            ["python", "-m", "keras_attn_defense", *words],
        )
    assert raised.value.code == 2
    assert f"keras-attn-defense[{OTHER}]" in capsys.readouterr().err


def test_backend_too_late(capsys):
    assert keras.backend.backend() == BACKEND
    message = fails(
        f"evaluate model.keras --data test.npz --backend {OTHER}", capsys
    )
    assert f"Keras runs on {BACKEND} already" in message


@pytest.mark.parametrize(
    "command, words",
    [
        ("", ["evaluate", "attack", "explain", "exit codes", "130"]),
        ("evaluate", ["8/255", "autoattack", "--state", "examples:", "x_test"]),
        ("attack", ["x_adv", "--epsilon", "examples:", "uint8"]),
        ("explain", ["--layer", "predicted", "examples:", "maps"]),
    ],
)
def test_help(command, words, capsys):
    with pytest.raises(SystemExit) as raised:
        main([*command.split(), "--help"])
    assert raised.value.code == 0
    output = capsys.readouterr().out
    for word in words:
        assert word in output
    assert max(map(len, output.splitlines())) <= 80


def test_no_command(capsys):
    with pytest.raises(SystemExit) as raised:
        main([])
    assert raised.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
