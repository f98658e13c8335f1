"""Tests of stratified samples."""

import numpy as np
import pytest

from keras_attn_defense.datasets.sampling import stratified_sample

pytestmark = pytest.mark.once


def counts(labels, limit, seed=0):
    sampled = np.asarray(labels)[stratified_sample(labels, limit, seed)]
    return [int((sampled == each).sum()) for each in np.unique(labels)]


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ((50, 30, 20), 10, [5, 3, 2]),
        ((90, 9, 1), 10, [8, 1, 1]),  # At least one of each.
        ((98, 1, 1), 3, [1, 1, 1]),
        ((5, 5, 5), 15, [5, 5, 5]),
        ((5, 5, 5), 99, [5, 5, 5]),
        ((7, 7), None, [7, 7]),
        ((70, 20, 10), 1, [1, 0, 0]),
    ],
)
def test_each_class_keeps_its_share(sizes, limit, expected):
    labels = np.repeat(np.arange(len(sizes)), sizes)

    assert counts(labels, limit) == expected


@pytest.mark.parametrize("limit", [1, 7, 10, 33, 120])
def test_shares_are_kept_to_less_than_one_row_in_any_order(limit):
    labels = np.random.default_rng(3).choice(
        5, 400, p=[0.4, 0.3, 0.1, 0.1, 0.1]
    )
    rows = stratified_sample(labels, limit, seed=1)
    share = np.bincount(labels, minlength=5) * limit / len(labels)

    assert len(rows) == limit == len(set(rows.tolist()))
    assert (np.diff(rows) > 0).all()
    assert (abs(np.bincount(labels[rows], minlength=5) - share) < 1).all()


def test_equal_seeds_draw_equal_rows_and_others_do_not():
    labels = np.repeat(np.arange(10), 40)
    first, again, other = (
        stratified_sample(labels, 50, seed).tolist() for seed in (5, 5, 6)
    )

    assert first == again
    assert first != other


def test_fewer_rows_than_classes_are_of_different_classes():
    labels = np.repeat(np.arange(10), 4)
    sampled = [set(labels[stratified_sample(labels, 4, s)]) for s in range(8)]

    assert all(len(classes) == 4 for classes in sampled)
    assert set.union(*sampled) != sampled[0]


def test_every_form_of_labels_draws_the_same_rows():
    labels = np.random.default_rng(0).integers(0, 4, 60)
    expected = stratified_sample(labels, 12).tolist()
    names = np.array(list("abcd"))[labels]

    for form in (labels[:, None], np.eye(4)[labels], names, labels.tolist()):
        assert stratified_sample(form, 12).tolist() == expected
