"""Tests of the sample of images that an evaluation keeps."""

import numpy as np
import pytest

from keras_attn_defense.evaluation.kept_images import KeptImages

pytestmark = pytest.mark.once


def filled(total, most, seed=0, block=7):
    """Keeps images that hold their own positions."""
    kept = KeptImages(["clean", "pgd"], most, seed)
    for first in range(0, total, block):
        positions = np.arange(first, min(first + block, total))
        kept.open_block(first, positions[:, None, None, None].astype("float32"))
        fallen = positions[positions % 2 == 1]
        kept.put("pgd", fallen, -fallen[:, None, None, None].astype("float32"))
    return kept


@pytest.mark.parametrize("total, most", [(40, 5), (3, 5), (40, None)])
def test_images_belong_to_their_rows(total, most):
    kept = filled(total, most)
    assert len(kept.rows) == min(total, most or total)
    assert (np.diff(kept.rows) > 0).all()
    np.testing.assert_array_equal(kept.images["clean"].ravel(), kept.rows)
    signs = np.where(kept.rows % 2 == 1, -1, 1)
    np.testing.assert_array_equal(kept.images["pgd"].ravel(), signs * kept.rows)


def test_rows_follow_from_seed_and_number_alone():
    rows = filled(100, 10).rows.tolist()
    assert rows == filled(100, 10, block=100).rows.tolist()
    assert rows == filled(100, 10, block=1).rows.tolist()
    assert rows != filled(100, 10, seed=1).rows.tolist()


def test_each_row_has_the_same_chance():
    counts = sum(
        np.bincount(filled(20, 5, seed).rows, minlength=20)
        for seed in range(400)
    )
    # The expected count is 100, its standard deviation below 9.
    assert counts.sum() == 2000
    assert abs(counts - 100).max() < 36


def test_goes_on_where_it_stopped():
    before = filled(35, 6)
    again = KeptImages(["clean", "pgd"], 6, 0)
    again.restore(dict(before.images), 35)
    for kept in (before, again):
        kept.open_block(35, np.arange(35, 60.0)[:, None, None, None])
    assert again.rows.tolist() == before.rows.tolist()
    assert again.rows.tolist() == filled(60, 6).rows.tolist()
    np.testing.assert_array_equal(again.images["clean"].ravel(), again.rows)


def test_copies_the_rows_of_a_block_only():
    kept = filled(30, 12)
    kept.copy("pgd", "clean", slice(10, 20))
    inside = (kept.rows >= 10) & (kept.rows < 20)
    assert 0 < inside.sum() < 12
    pgd, clean = (kept.images[name].ravel() for name in ("pgd", "clean"))
    np.testing.assert_array_equal(clean, np.where(inside, pgd, kept.rows))


def test_keeps_nothing_without_columns():
    kept = KeptImages([], 5)
    kept.open_block(0, np.zeros((9, 2, 2, 1)))
    kept.put("pgd", np.arange(9), np.ones((9, 2, 2, 1)))
    assert not kept.images and not len(kept.rows)
