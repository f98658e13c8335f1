"""Run a search on many images through a batch of fixed size.

    waiting = all images, each in its first run
    while images wait, or places of the batch are taken:
        if enough places are free: images that wait enter and begin their run
        a few compiled steps of all places
        for each image that is done:
            keep its best result; if it resisted and has runs left, it waits
        if no image waits any more: halve the batch when half of it is free

So that nothing is compiled again, the batch has few sizes.
"""

from collections import deque

import keras
import numpy as np
from keras import ops

from ...data import padded_size
from .attack_result import AttackResult

# New images enter when this share of the places is free: beginning costs a
# pass over the whole batch.
_FREE_SHARE = 0.25


def search(
    attack,
    functions,
    passes,
    runs,
    epsilon,
    images,
    labels,
    batch_size,
    starts=None,
):
    """Searches adversarial images for each image.

    Args:
        attack: The `SearchAttack`.
        functions: Its compiled functions.
        passes: Forward and backward passes to begin, and those of one step.
        runs: Number of runs of an image that resists.
        epsilon: The radius, a scalar tensor.
        images: NumPy images `(N, height, width, channels)`.
        labels: NumPy class indices `(N,)`.
        batch_size: Largest number of places.
        starts: Images to start from, in NumPy, or None.

    Returns:
        An `AttackResult`.
    """
    size = padded_size(len(images), batch_size)
    places = _Places(functions, epsilon, images, labels, size, starts)
    found = _Found(passes, images)
    # Looking for the smallest perturbation, one success is not enough.
    exhaustive = attack.minimal and np.isinf(ops.convert_to_numpy(epsilon))
    waiting = deque((index, 0) for index in range(len(images)))
    while waiting or places.active.any():
        if not waiting:
            places.shrink()
        if waiting and places.free_share >= _FREE_SHARE:
            places.fill(waiting)
        for index, run, outcome in places.advance():
            found.add(index, outcome)
            if run + 1 < runs and (exhaustive or not found.success[index]):
                waiting.append((index, run + 1))
    return found.result()


class _Places:
    """The batch: which image is where, and the state of its search."""

    def __init__(self, functions, epsilon, images, labels, size, starts=None):
        self._functions = functions
        self._epsilon = epsilon
        self._images = images
        self._labels = labels
        self._starts = starts
        self._state = None
        self._draw = 0
        self.active = np.zeros(size, bool)
        self._index = np.zeros(size, "int32")
        self._run = np.zeros(size, "int32")

    @property
    def free_share(self):
        return 1.0 - self.active.mean()

    def fill(self, waiting):
        """Puts waiting images where places are free."""
        fresh = np.zeros(len(self.active), bool)
        for place in np.flatnonzero(~self.active):
            if waiting:
                self._index[place], self._run[place] = waiting.popleft()
                fresh[place] = True
        self.active |= fresh
        self._load()
        # All places begin, as the compiled function has one size only; those
        # that were busy keep the state they had.
        start = ()
        if self._starts is not None:
            start = (ops.convert_to_tensor(self._starts[self._index]),)
        state = self._functions["begin"](*self._task, *start)
        if self._state is not None:
            mask = ops.convert_to_tensor(fresh)
            state = self._functions["select"](mask, state, self._state)
        self._state = state

    def shrink(self):
        """Goes on with a smaller batch where half of it would be idle."""
        size = padded_size(int(self.active.sum()), len(self.active))
        if size == len(self.active):
            return
        # The active places first.
        rows = np.argsort(~self.active, kind="stable")[:size]
        self.active = self.active[rows]
        self._index, self._run = self._index[rows], self._run[rows]
        taken = ops.convert_to_tensor(rows.astype("int32"))
        self._state = keras.tree.map_structure(
            lambda value: ops.take(value, taken, axis=0), self._state
        )
        self._load()

    def advance(self):
        """Some steps; yields `(index, run, outcome)` of who is done."""
        draw = ops.convert_to_tensor(self._draw, "int32")
        self._state, over = self._functions["advance"](
            *self._task, self._state, draw
        )
        # More than the steps of any call, so that a random model never has the
        # same random numbers in two of them.
        self._draw += 1000
        done = ops.convert_to_numpy(over) & self.active
        if not done.any():
            return
        self.active &= ~done
        outcome = {
            name: ops.convert_to_numpy(self._state[name])
            for name in ("adversarial", "score", "found", "count")
        }
        for place in np.flatnonzero(done):
            row = {name: value[place] for name, value in outcome.items()}
            yield self._index[place], self._run[place], row

    def _load(self):
        self._task = (
            ops.convert_to_tensor(self._images[self._index]),
            ops.convert_to_tensor(self._labels[self._index]),
            self._epsilon,
            ops.convert_to_tensor(self._run),
        )


class _Found:
    """The best that was found for each image, and what it cost."""

    def __init__(self, passes, images):
        self._passes = passes
        self._adversarial = images.copy()
        self._score = np.full(len(images), -np.inf)
        self._begun = np.zeros(len(images), "int64")
        self._steps = np.zeros(len(images), "int64")
        self.success = np.zeros(len(images), bool)

    def add(self, index, outcome):
        self._begun[index] += 1
        self._steps[index] += outcome["count"]
        before = (self.success[index], self._score[index])
        # A success beats any score; of two of the same kind, the higher score
        # wins.
        if (outcome["found"], outcome["score"]) > before:
            self._adversarial[index] = outcome["adversarial"]
            self._score[index] = outcome["score"]
            self.success[index] = outcome["found"]

    def result(self):
        begin, step = self._passes
        passes = [
            self._begun * begin[i] + self._steps * step[i] for i in range(2)
        ]
        return AttackResult(self._adversarial, *passes)
