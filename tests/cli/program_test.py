"""Tests of `python -m keras_attn_defense` and of its help."""

import os
import pathlib
import subprocess
import sys

import pytest

from keras_attn_defense.cli import main
from tests.testing import BACKEND

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.once
def test_backend_of_the_environment_and_bad_input():
    result = subprocess.run(
        [sys.executable, "-m", "keras_attn_defense", "explain"]
        + "model.keras --data nothing.npz --out maps.npz".split(),
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": BACKEND},
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: There is no data")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command, words",
    [
        (
            "",
            ["evaluate", "attack", "explain", "KERAS_BACKEND=jax", "130"],
        ),
        ("evaluate", ["8/255", "autoattack", "--state", "examples:", "x_test"]),
        ("merge", ["SHARD.NPZ", "--shard $i/8", "--fail-under", "x_test"]),
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
