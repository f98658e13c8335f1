"""A few images of all data, drawn fairly and without keeping blocks."""

import gc
import weakref

import numpy as np

from keras_attn_defense.data import Block
from keras_attn_defense.evaluation.sample import Sample
from keras_attn_defense.evaluation.sample import limited


def blocks(count, size=16):
    for first in range(0, count, size):
        rows = np.arange(first, min(first + size, count))
        images = (
            np.ones((len(rows), 2, 2, 1), "float32") * rows[:, None, None, None]
        )
        yield Block(first // size, first, images, rows % 7)


def drawn(count, seed=0):
    sample = Sample(blocks(count), seed)
    passed = list(sample)
    assert [block.first for block in passed] == list(range(0, count, 16))
    return sample.drawn()


def test_all_of_a_few_images():
    positions, images, labels = drawn(40)
    np.testing.assert_array_equal(positions, np.arange(40))
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(40))
    np.testing.assert_array_equal(labels, np.arange(40) % 7)


def test_some_of_many_from_everywhere():
    counts = np.zeros(640)
    for seed in range(40):
        positions, images, labels = drawn(640, seed)
        assert len(set(positions)) == 128
        assert (np.diff(positions) > 0).all()
        np.testing.assert_array_equal(images[:, 0, 0, 0], positions)
        np.testing.assert_array_equal(labels, positions % 7)
        counts[positions] += 1
    # One in five of each tenth of the data.
    shares = counts.reshape(10, 64).mean(1) / 40
    np.testing.assert_allclose(shares, 0.2, atol=0.05)


def test_blocks_are_not_kept():
    kept = []

    def watched():
        for block in blocks(640):
            kept.append(weakref.ref(block.images))
            yield block

    sample = Sample(watched(), 0)
    for _ in sample:
        pass
    positions, _, _ = sample.drawn()
    gc.collect()
    alive = sum(each() is not None for each in kept)
    first_blocks = 128 // 16  # What filled the sample at the start.
    assert alive <= first_blocks and len(positions) == 128


def test_limit_takes_each_class_alike():
    x, y = np.zeros((100, 2, 2, 1)), np.repeat(np.arange(10), 10)
    images, labels, rows = limited(x, y, 20, seed=0)
    assert len(images) == 20
    np.testing.assert_array_equal(labels, y[rows])
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, 2))
    again = limited(x, y, 20, seed=0)[2]
    np.testing.assert_array_equal(rows, again)
    assert not np.array_equal(rows, limited(x, y, 20, seed=1)[2])
    assert limited(x, y, 100, 0)[2] is None
    assert limited("data set", None, 5, 0) == ("data set", None, None)
