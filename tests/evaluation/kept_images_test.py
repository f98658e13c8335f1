"""Tests of the sample of images that an evaluation keeps."""

import numpy as np
import pytest

from keras_attn_defense.evaluation.kept_images import KeptImages

pytestmark = pytest.mark.once


def of_block(first, stop, most, seed=0):
    """Keeps images that hold their own positions."""
    positions = np.arange(first, stop)
    images = positions[:, None, None, None].astype("float32")
    kept = KeptImages.of_block(["clean", "pgd"], first, images, most, seed)
    fallen = positions % 2 == 1
    kept.put("pgd", positions[fallen], -images[fallen])
    return kept


def filled(total, most, seed=0, block=7):
    """Keeps images of one block after another."""
    parts = [
        of_block(first, min(first + block, total), most, seed)
        for first in range(0, total, block)
    ]
    whole = KeptImages.joined(parts)
    if most is not None and len(whole.draws) > most:
        whole.drop(np.sort(whole.draws)[most - 1])
    return whole


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


def test_block_is_found_again():
    whole = KeptImages.joined([of_block(0, 7, 3), of_block(7, 14, 3)])
    part = whole.among(np.arange(7, 14))
    other = of_block(7, 14, 3)
    np.testing.assert_array_equal(part.rows, other.rows)
    np.testing.assert_array_equal(part.draws, other.draws)
    for column, images in other.images.items():
        np.testing.assert_array_equal(part.images[column], images)


def test_columns_change_apart_from_each_other():
    kept = of_block(0, 10, None)
    kept.copy("pgd", "clean")
    np.testing.assert_array_equal(kept.images["clean"], kept.images["pgd"])
    kept.put("clean", np.arange(10), np.full((10, 1, 1, 1), 7.0))
    assert (kept.images["pgd"] != 7).all()


def test_keeps_nothing_without_columns():
    kept = KeptImages.of_block([], 0, np.zeros((9, 2, 2, 1)), 5)
    kept.put("pgd", np.arange(9), np.ones((9, 2, 2, 1)))
    kept.copy("clean", "pgd")
    assert not kept.images and not len(kept.rows)
