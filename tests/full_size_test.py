"""The command for a GPU runs from start to end, in two steps of a CPU."""

import json
import pathlib

import keras
import numpy as np
import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.once
def test_both_recipes_are_trained_and_measured(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import full_size

    random = np.random.default_rng(0)
    x = random.integers(0, 256, (54, 16, 16, 3), "uint8")
    y = np.arange(54) % 10
    data = tmp_path / "data.npz"
    np.savez(data, x_train=x[:44], y_train=y[:44], x_test=x[44:], y_test=y[44:])
    options = f"--folder {tmp_path} --results {tmp_path} --width 4 --epochs 1"
    options += " --batch 20 --test-images 10 --attacks fgsm --no-checks"

    full_size.main(["--data", str(data), *options.split()])

    network = keras.saving.load_model(tmp_path / "network_0.keras")
    assert network.layers[1].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    for recipe in full_size.RECIPES:
        card = json.loads((tmp_path / f"full_size_{recipe}_0.json").read_text())
        assert card["num_images"] == 10
        log = (tmp_path / f"{recipe}_0" / "log.csv").read_text()
        assert len(log.splitlines()) == 2
