"""Evaluations on a real Ray cluster, on this machine."""

import os
import signal

import numpy as np
import pytest

import keras_attn_defense as kad
from tests.evaluation import helpers
from tests.evaluation.helpers import IMAGES
from tests.evaluation.helpers import LABELS
from tests.evaluation.merge_test import content
from tests.pages.helpers import IMAGES as NOISE
from tests.pages.helpers import network

ray = pytest.importorskip("ray")
# Starting processes is the same on each backend, and takes long.
pytestmark = [pytest.mark.once, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def deadly(path):
    """An attack whose first use ends its process, and none after it."""

    def attack(model, images, labels):
        try:
            open(path, "x").close()
        except FileExistsError:
            return images[:, ::-1]
        os.kill(os.getpid(), signal.SIGKILL)

    return attack


def cheat(model, images, labels):
    return images + np.float32(0.5)


def test_two_workers_are_one_process(tmp_path):
    model, labels = network()
    arguments = {
        "attacks": {
            "pgd": kad.attacks.PGD(steps=2, seed=0),
            "square": kad.attacks.Square(queries=8, seed=0),
        },
        "epsilons": [0.03, 0.1],
        "batch_size": 1,  # Six blocks.
        "keep_images": True,
        "gallery": 5,
        "checks": False,
        "verbose": 0,
    }
    path = tmp_path / "state.npz"
    report = kad.evaluate_robustness(
        model,
        NOISE,
        labels,
        workers=kad.distributed.Ray(2),
        state=path,
        **arguments,
    )
    whole = kad.evaluate_robustness(model, NOISE, labels, **arguments)
    assert content(report) == content(whole)
    # Its state file is one like all others: nothing is left to do.
    before = path.read_bytes()
    again = kad.evaluate_robustness(
        model, NOISE, labels, state=path, **arguments
    )
    assert content(again) == content(whole)
    assert path.read_bytes() == before


def test_killed_worker_is_replaced(tmp_path):
    arguments = {
        "attacks": {
            "fgsm": kad.attacks.FGSM(),
            "deadly": deadly(str(tmp_path / "killed")),
        },
        "epsilons": [0.03, 0.1],
        "batch_size": 2,
        "identity": "deadly",
    }
    report = helpers.evaluate(workers=kad.distributed.Ray(1), **arguments)
    assert (tmp_path / "killed").exists()
    assert content(report) == content(helpers.evaluate(**arguments))


def test_errors_of_workers_are_sentences():
    with pytest.raises(ValueError, match="'cheat' left the value range"):
        helpers.evaluate(
            attacks={"cheat": cheat}, workers=kad.distributed.Ray(1)
        )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="1 GPUs, and the cluster has 2 and 0"):
        helpers.evaluate(workers=kad.distributed.Ray(num_gpus=1))
    for arguments in ({"num_workers": 0}, {"num_cpus": 0}, {"num_gpus": -1}):
        (name,) = arguments
        with pytest.raises(ValueError, match=f"`{name}` should be"):
            kad.distributed.Ray(**arguments)
    # Nothing to do takes no workers.
    wrong = {"x": IMAGES[:0], "y": LABELS[:0]}
    with pytest.raises(ValueError, match="no images"):
        helpers.evaluate(workers=kad.distributed.Ray(num_gpus=1), **wrong)
