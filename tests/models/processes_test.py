"""Two processes that train together are one with the same batches."""

import os

import keras
import numpy as np
import pytest

from tests.models.helpers import flat_weights
from tests.models.one_of_several import BATCH
from tests.models.one_of_several import DRAWS_AS_ONE
from tests.models.one_of_several import EPOCHS
from tests.models.one_of_several import defended
from tests.models.one_of_several import set_precision
from tests.models.one_of_several import train
from tests.models.one_of_several import whole
from tests.processes import run_together

# Sums are added up in another order; numbers of bfloat16 have eight bits.
TOLERANCES = {"float64": 1e-5, "float32": 1e-5, "mixed_bfloat16": 5e-2}
# Losses, and accuracies: on 40 images, each is a fortieth.
OF_LOGS = {"float64": 1e-5, "float32": 1e-5, "mixed_bfloat16": 1e-1}
# A move is as long as the weights say, however small the gradient is, so it
# enlarges rounding: on PyTorch to 3e-5 in float32. JAX has no float64 here.
FINE = "float64" if keras.backend.backend() == "torch" else "float32"
NIGHTLY = pytest.mark.skipif(
    "NIGHTLY" not in os.environ, reason="runs in `.ci/nightly`"
)
WITH_DDP = pytest.mark.skipif(
    keras.backend.backend() == "torch"
    and not hasattr(keras.Model, "_initialize_ddp"),
    reason="on PyTorch, `fit` trains several processes from Keras 3.16 on",
)


@pytest.mark.slow
@WITH_DDP
@pytest.mark.parametrize(
    ("policy", "moves"),
    [
        ("float32", False),
        pytest.param(FINE, True, marks=NIGHTLY),
        pytest.param("mixed_bfloat16", False, marks=NIGHTLY),
    ],
)
def test_two_processes_are_one(tmp_path, policy, moves):
    if keras.backend.backend() == "tensorflow" and moves:
        pytest.skip("each device would move its own copy of the weights")
    if keras.backend.backend() == "jax":
        pytest.importorskip("tensorflow")
    program = "tests.models.one_of_several"
    first, second = run_together(program, tmp_path, policy, moves)
    near = {"atol": TOLERANCES[policy], "rtol": 0}

    set_precision(policy)
    model = defended(DRAWS_AS_ONE, moves)
    start = flat_weights(model.base)
    logs = train(model, whole, epochs=EPOCHS)
    expected = flat_weights(model.base)
    assert np.abs(expected - start).max() > 0.05
    for found in (first, second):
        np.testing.assert_allclose(found["weights"], expected, **near)
        for name, values in logs.items():
            np.testing.assert_allclose(
                found["logs"][name],
                values,
                atol=OF_LOGS[policy],
                rtol=1e-5,
            )
    np.testing.assert_array_equal(first["weights"], second["weights"])

    # One process writes, for all.
    assert not (tmp_path / "1.keras").exists()
    loaded = keras.saving.load_model(tmp_path / "0.keras")
    np.testing.assert_array_equal(flat_weights(loaded.base), second["weights"])
    assert (tmp_path / "best.keras").exists()
    assert len((tmp_path / "log.csv").read_text().split()) == 1 + EPOCHS

    if keras.backend.backend() == "jax":
        train(model, whole, epochs=1)
        expected = flat_weights(model.base)
        np.testing.assert_allclose(first["after arrays"], expected, **near)

    # No image has the random start of another.
    changes = first["changes"]
    if not DRAWS_AS_ONE:
        changes = changes + second["changes"]
    assert len(changes) == BATCH
    assert len(np.unique(np.round(changes, 4), axis=0)) == BATCH
    assert np.ptp(first["averages"][0]) > 0
    for one, two in zip(first["averages"], second["averages"], strict=True):
        np.testing.assert_array_equal(one, two)

    refused = first["refused"]
    assert "would not go in step" in refused["unequal"]
    assert "of 2: Images should lie in" in second["refused"]["spoiled"]
    if "same" in refused:
        assert "x[i::n]" in refused["same"]
    else:
        assert "The last batch of 7 images" in refused["uneven"]
