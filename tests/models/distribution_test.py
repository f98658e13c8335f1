"""A batch spread over two devices gives the step of one device."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest


def run():
    environment = {
        **os.environ,
        # JAX reads its number of virtual CPU devices from the environment.
        "JAX_NUM_CPU_DEVICES": "2",
        # XLA's threads: with as few as devices an all-reduce can wait for ever.
        "NPROC": "16",
    }
    process = subprocess.run(
        [sys.executable, "-m", "tests.models.distributed_step"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.strip().splitlines()[-1])


@pytest.mark.slow
@pytest.mark.backend("tensorflow", "jax")
def test_two_devices_are_one():
    one, two = run()
    assert two["logs"] == pytest.approx(one["logs"], rel=1e-4)
    np.testing.assert_allclose(two["weights"], one["weights"], atol=1e-5)
    assert one["uneven"] == ["", True]
    message, moved = two["uneven"]
    assert "The last batch of 7 images" in message
    assert not moved
    if "draws" in two:
        # Each device draws other numbers, from states that stay the same.
        assert len(set(two["draws"]["numbers"])) == 4
        assert two["draws"]["states"] == [[1, 2], [1, 2]]
        assert one["draws"]["numbers"] == two["draws"]["numbers"][::2]
