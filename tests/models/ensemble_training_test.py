"""Ensemble adversarial training, on images of other models."""

import keras
import numpy as np
import pytest

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import data
from tests.models.helpers import defended
from tests.models.helpers import flat_weights
from tests.testing import assert_same_state
from tests.testing import state

CHEAP = {"rectification_weight": 0.0, "preservation_weight": 0.0}


@pytest.mark.parametrize("mode", ["rotate", "joint"])
def test_training(tmp_path, mode):
    x, y = data(8)
    sources = [networks.functional(), networks.stateful()]
    before = [state(source) for source in sources]
    attack = kad.attacks.EnsembleAttack(
        sources,
        kad.attacks.PGD(0.1, steps=1, seed=1),
        mode=mode,
        include_victim=True,
    )
    model = defended(networks.sequential("softmax"), attack=attack, **CHEAP)
    weights = flat_weights(model)
    assert weights.size == flat_weights(model.base).size

    logs = model.fit(x, y, batch_size=4, verbose=0).history

    assert np.isfinite(logs["loss"]).all()
    assert abs(flat_weights(model) - weights).max() > 1e-4
    for source, its in zip(sources, before, strict=True):
        assert_same_state(its, state(source))
    own = {id(variable) for variable in model.variables}
    assert not any(id(v) in own for s in sources for v in s.variables)

    if mode == "joint":
        return
    # The sources come back from the file, and training goes on alike.
    path = tmp_path / "defended.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    losses = [
        m.fit(x, y, batch_size=4, shuffle=False, verbose=0).history["loss"]
        for m in (model, loaded)
    ]
    assert losses[0] == pytest.approx(losses[1])
