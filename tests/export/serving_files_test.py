"""Tests of the files for TensorFlow Serving, as far as they run without it."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from .conftest import IMAGES

FOLDER = pathlib.Path(__file__).parents[2] / "examples" / "serving"


def test_compose_file():
    yaml = pytest.importorskip("yaml")
    text = (FOLDER / "compose.yaml").read_text()

    (service,) = yaml.safe_load(text)["services"].values()

    assert service["image"].startswith("tensorflow/serving:")
    assert [port.split(":")[-2:] for port in service["ports"]] == [
        ["8500", "8500"],
        ["8501", "8501"],
    ]
    # The server looks for /models/$MODEL_NAME/<version>.
    (volume,) = service["volumes"]
    name = service["environment"]["MODEL_NAME"]
    assert volume.endswith(f":/models/{name}:ro")


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_script(tmp_path):
    script = FOLDER / "serve.sh"
    subprocess.run(["bash", "-n", script], check=True)
    # A server that prints what it is told.
    server = tmp_path / "bin" / "tensorflow_model_server"
    server.parent.mkdir()
    server.write_text('#!/bin/sh\necho "$@"\n')
    server.chmod(0o755)
    model = tmp_path / "models" / "1" / "saved_model.pb"

    def run():
        return subprocess.run(
            ["bash", script, tmp_path / "models", "cats"],
            env={"PATH": f"{server.parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    model.parent.mkdir(parents=True)
    answer = run()
    assert answer.returncode == 2
    assert "has no version" in answer.stderr
    model.touch()
    assert f"--model_name=cats --model_base_path={tmp_path}" in run().stdout


@pytest.mark.slow
@pytest.mark.backend("jax")
def test_saved_model_cli(served, expected, tmp_path):
    pytest.importorskip("tensorflow")
    np.save(tmp_path / "images.npy", IMAGES)
    command = "from tensorflow.python.tools.saved_model_cli import main; main()"

    subprocess.run(
        [sys.executable, "-c", command, "run", "--tag_set", "serve"]
        + ["--signature_def", "explain", "--dir", served / "1"]
        + ["--inputs", f"images={tmp_path / 'images.npy'}"]
        + ["--outdir", tmp_path],
        check=True,
        capture_output=True,
    )

    for key, value in expected["explain"].items():
        actual = np.load(tmp_path / f"{key}.npy")
        np.testing.assert_allclose(actual, value, atol=1e-5)
