"""Every backend gives the values in `golden.npz`."""

import pathlib

import numpy as np
import pytest

from tests.golden import golden

PATH = pathlib.Path(__file__).parent / "golden.npz"


@pytest.fixture(scope="module")
def stored():
    with np.load(PATH) as file:
        return dict(file)


@pytest.fixture(scope="module")
def computed(stored):
    names = [f"weight_{i}" for i in range(len(golden.draw()[0]))]
    weights = [stored[name] for name in names]
    return golden.compute(weights, stored["images"], stored["labels"])


def test_inputs_come_from_the_seed(stored):
    weights, images, labels = golden.draw()

    for i, weight in enumerate(weights):
        np.testing.assert_array_equal(stored[f"weight_{i}"], weight)
    np.testing.assert_array_equal(stored["images"], images)
    np.testing.assert_array_equal(stored["labels"], labels)


def test_same_names(stored, computed):
    inputs = {n for n in stored if n.startswith("weight")} | {
        "images",
        "labels",
    }
    assert set(stored) - inputs == set(computed)
    assert PATH.stat().st_size < 100_000


@pytest.mark.parametrize(
    "kind",
    ["logits", "attacks", "map", "masked", "rectification"]
    + ["preservation", "cross_entropy"],
)
def test_values(kind, stored, computed):
    names = [name for name in computed if name.startswith(kind)]
    if kind == "attacks":
        names = list(golden.ATTACKS)
    assert names
    for name in names:
        np.testing.assert_allclose(
            computed[name], stored[name], rtol=1e-4, atol=1e-5, err_msg=name
        )


def test_one_step_changes_the_weights_equally(stored, computed):
    names = [name for name in computed if name.startswith("change")]
    assert len(names) == len(golden.draw()[0])
    for name in names:
        largest = np.abs(stored[name]).max()
        assert largest > 1e-4
        np.testing.assert_allclose(
            computed[name], stored[name], atol=1e-3 * largest, err_msg=name
        )
