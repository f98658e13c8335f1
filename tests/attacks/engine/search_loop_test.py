"""Tests of how searches share a batch: nobody is lost, nothing recompiled."""

from collections import deque

import numpy as np
import pytest
from keras import ops

from keras_attn_defense.attacks import SearchAttack
from keras_attn_defense.attacks.engine import search_loop
from keras_attn_defense.data import padded_batches
from keras_attn_defense.data import padded_size
from tests import networks
from tests.testing import BACKEND
from tests.testing import to_numpy

X = np.random.default_rng(0).uniform(0.2, 0.8, (21, 2, 2, 1)).astype("float32")
NEEDED = np.arange(21) * 2 % 17  # Steps until each image gives in.


class Counting(SearchAttack):
    """Adds 0.01 to an image until it has had as many steps as its label."""

    def runs(self, victim):
        return self.restarts

    def begin(self, task):
        nothing = ops.zeros(ops.shape(task.labels), "float32")
        return {
            "adversarial": task.images,
            "score": nothing,
            "found": task.labels == 0,
            "inner": {"run": ops.cast(task.run, "float32") + nothing},
        }

    def step(self, task, state, count, draws):
        return {
            **state,
            "adversarial": state["adversarial"] + 0.01,
            "score": state["inner"]["run"],
            # Each run comes further than the one before.
            "found": count + 1 + 4 * task.run >= task.labels,
        }


def classes(images):
    return ops.zeros((ops.shape(images)[0], 20))


@pytest.mark.parametrize("batch_size", [4, 8, 64])
def test_every_image_gets_its_own_steps(batch_size):
    result = Counting(0.5, 20).run(classes, X, NEEDED, batch_size)

    added = result.images - X
    np.testing.assert_allclose(
        added,
        np.broadcast_to(0.01 * NEEDED[:, None, None, None], X.shape),
        atol=1e-5,
    )
    np.testing.assert_array_equal(result.forward_passes, 1 + NEEDED)


def test_runs_follow_one_another():
    result = Counting(0.5, 6, restarts=3).run(classes, X, NEEDED, 8)

    # Six steps in each run; in run r, four steps fewer are needed for each r.
    runs = np.select([NEEDED <= 6, NEEDED <= 10], [1, 2], 3)
    last = np.minimum(NEEDED - 4 * (runs - 1), 6)
    passes = runs + 6 * (runs - 1) + last
    np.testing.assert_array_equal(result.forward_passes, passes)
    # Images that resisted keep the run of the highest score, the last.
    np.testing.assert_allclose(
        result.images[:, 0, 0, 0] - X[:, 0, 0, 0], 0.01 * last, atol=1e-5
    )


def test_as_many_steps_in_one_call():
    # In a compiled step nobody leaves: the result is the same.
    attack = Counting(0.5, 6, restarts=3)
    labels = ops.convert_to_tensor(NEEDED.astype("int32"))

    at_once = attack.perturb(_View(), ops.convert_to_tensor(X), labels, (0, 1))

    expected = attack.run(classes, X, NEEDED, 8).images
    np.testing.assert_allclose(to_numpy(at_once), expected, atol=1e-6)


class Late(SearchAttack):
    """Succeeds in its second run of three, with the lowest score."""

    def begin(self, task):
        nothing = ops.zeros(ops.shape(task.labels), "float32")
        run = nothing + ops.cast(task.run, "float32")
        return {
            "adversarial": task.images + 0.1 * run[:, None, None, None],
            "score": 5.0 - ops.where(run == 1.0, 6.0, run),
            "found": run == 1.0,
        }

    def step(self, task, state, count, draws):
        return state


def test_success_counts_before_the_score():
    attack = Late(0.5, 2, restarts=3)
    labels = ops.convert_to_tensor(NEEDED.astype("int32"))

    result = attack.run(classes, X, NEEDED, 8)
    at_once = attack.perturb(_View(), ops.convert_to_tensor(X), labels, (0, 1))

    np.testing.assert_allclose(result.images, X + 0.1, atol=1e-6)
    np.testing.assert_allclose(to_numpy(at_once), X + 0.1, atol=1e-6)


def test_a_smaller_batch_keeps_each_image_with_its_run():
    functions = {"begin": lambda images, labels, epsilon, run: {"run": run}}
    places = search_loop._Places(functions, 0.5, X, NEEDED, 8)
    places.fill(deque((index, index % 3) for index in range(8)))
    places.active[[0, 2, 3, 4, 6, 7]] = False

    places.shrink()

    images, _, _, runs = (to_numpy(each) for each in places._task)
    np.testing.assert_array_equal(images, X[[1, 5]])
    np.testing.assert_array_equal(runs, [1, 2])
    np.testing.assert_array_equal(to_numpy(places._state["run"]), [1, 2])


class Listening(SearchAttack):
    """Writes what the model says at each step into the image, and moves on."""

    def begin(self, task):
        nothing = ops.zeros(ops.shape(task.labels), "float32")
        found = task.labels < 0
        return {"adversarial": task.images, "score": nothing, "found": found}

    def step(self, task, state, count, draws):
        said = task.victim.frozen_logits(task.images)[:, :1]
        place = ops.one_hot(count, 192, dtype="bool")
        written = ops.reshape(state["adversarial"], (-1, 192))
        written = ops.reshape(ops.where(place, said, written), (-1, 8, 8, 3))
        return {**state, "adversarial": written}


def test_every_step_has_a_draw_of_its_own():
    model, _ = networks.masked_linear(0.5)
    x, y = networks.images_and_labels(2, classes=2)

    result = Listening(0.5, 12).run(model, x, y)

    said = result.images.reshape(2, -1)[:, :12]
    for each in said:
        assert len(np.unique(each)) == 12


class _View:
    num_classes = 20

    def with_draw(self, draw):
        return self


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch traces nothing.")
def test_nothing_is_traced_twice():
    attack, traces = Counting(0.5, 20), []
    step = attack.step

    def counted(*args):
        traces.append(None)
        return step(*args)

    attack.step = counted
    import keras

    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(20)]
    )
    for count in (21, 16, 8, 4, 2, 1):  # Every size of a batch.
        attack.run(model, X[-count:], NEEDED[-count:], 16)
    first = len(traces)
    for count in (20, 19, 17, 13, 9, 7, 5, 3):
        attack.run(model, X[:count], NEEDED[:count], 16)
        assert len(traces) == first, count


def test_padded_sizes():
    if BACKEND == "torch":  # Nothing is compiled: no waste.
        assert [padded_size(n, 64) for n in (1, 9, 64, 70)] == [1, 9, 64, 64]
        return
    sizes = [padded_size(n, 64) for n in (1, 2, 9, 17, 33, 64, 70)]
    assert sizes == [1, 2, 16, 32, 64, 64, 64]


def test_padded_batches_cover_every_row_once():
    rows = np.zeros(21, int)
    for where, (batch, index) in padded_batches(X, np.arange(21), size=8):
        count = len(rows[where])
        assert batch.shape[0] in (8, count)
        np.testing.assert_array_equal(to_numpy(batch)[:count], X[where])
        rows[to_numpy(index)[:count]] += 1

    assert (rows == 1).all()
