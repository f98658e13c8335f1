"""The example of two processes: how it divides, and when it refuses."""

import keras
import numpy as np
import pytest

from examples import train_on_several_processes as example

pytestmark = pytest.mark.once


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_batches_of_all_processes_are_those_of_one(monkeypatch, backend):
    monkeypatch.setattr(example, "BACKEND", backend)
    x = np.arange(4 * example.BATCH_SIZE)
    parts = [example.own_part(x, -x, index, 2) for index in range(2)]
    for part in parts:
        assert part["batch_size"] == example.BATCH_SIZE // 2
        np.testing.assert_array_equal(part["y"], -part["x"])
    batches = np.stack([p["x"].reshape(4, -1) for p in parts], axis=1)
    np.testing.assert_array_equal(
        np.sort(batches.reshape(4, -1)), x.reshape(4, -1)
    )


@pytest.mark.parametrize(
    "backend, version, refused",
    [
        ("torch", "3.15.1", True),
        ("torch", "3.16.0.dev2026102704", False),
        ("torch", "4.0.0", False),
        ("jax", "3.15.1", False),
    ],
)
def test_what_cannot_is_refused(monkeypatch, backend, version, refused):
    monkeypatch.setattr(example, "BACKEND", backend)
    monkeypatch.setattr(keras, "version", lambda: version)
    if not refused:
        example.check_supported()
        return
    with pytest.raises(SystemExit, match="from 3.16 on"):
        example.check_supported()
