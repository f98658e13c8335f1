"""Two processes that train together are one with the same batches."""

import keras
import numpy as np
import pytest

from tests import networks
from tests.models.helpers import flat_weights
from tests.models.one_of_several import BATCH
from tests.models.one_of_several import EPOCHS
from tests.models.one_of_several import IMAGES
from tests.models.one_of_several import batches
from tests.models.one_of_several import defended
from tests.models.one_of_several import train
from tests.processes import run_together


@pytest.mark.slow
@pytest.mark.backend("jax")
def test_two_processes_are_one(tmp_path):
    pytest.importorskip("tensorflow")
    program = "tests.models.one_of_several"
    first, second = run_together(program, tmp_path, "float32")
    x, y = networks.images_and_labels(IMAGES)
    keras.utils.set_random_seed(0)
    model = defended()
    start = flat_weights(model.base)
    logs = train(model, batches(x, y), epochs=EPOCHS)
    expected = flat_weights(model.base)
    assert np.abs(expected - start).max() > 0.1
    # Random starts and Dropout are drawn for the whole batch.
    for found in (first, second):
        np.testing.assert_allclose(found["weights"], expected, atol=1e-5)
        for name, values in logs.items():
            assert found["logs"][name] == pytest.approx(values, abs=1e-5)
    model.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
    expected = flat_weights(model.base)
    np.testing.assert_allclose(first["after arrays"], expected, atol=1e-5)
    assert "drop_remainder" in first["uneven"]
    assert "would not go in step" in first["unequal"]
    assert "x[i::n]" in first["same"]
    assert "In process 0 of 2: Images should lie in" in second["spoiled"]
    for name in ("uneven", "unequal", "same"):
        assert second[name] == first[name]
    # One process writes; its file is that of the others.
    assert not (tmp_path / "1.keras").exists()
    loaded = keras.saving.load_model(tmp_path / "0.keras")
    np.testing.assert_allclose(
        flat_weights(loaded.base), second["after arrays"], atol=1e-6
    )
