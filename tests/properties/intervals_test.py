"""Confidence intervals, paired differences and samples: no model is needed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_attn_defense.datasets.sampling import stratified_sample
from keras_attn_defense.evaluation.confidence import accuracy_interval
from keras_attn_defense.evaluation.confidence import paired_difference
from tests.properties import strategies
from tests.properties.strategies import examples

pytestmark = pytest.mark.once

probabilities = st.floats(0.5, 0.999)


@st.composite
def counts(draw):
    """Correct images, out of how many."""
    total = draw(st.integers(1, 20000))
    return draw(st.integers(0, total)), total


@examples(100)
@given(count=counts(), confidence=probabilities)
def test_intervals_of_accuracies(count, confidence):
    correct, total = count

    low, high = accuracy_interval(correct, total, confidence)

    share = correct / total
    assert 0 <= low <= share <= high <= 1
    assert (low == 0) == (correct == 0) and (high == 1) == (correct == total)
    # As many wrong ones as right ones before: seen from the other end.
    mirrored = accuracy_interval(total - correct, total, confidence)
    np.testing.assert_allclose(mirrored, (1 - high, 1 - low), atol=1e-9)
    if correct < total:
        more = accuracy_interval(correct + 1, total, confidence)
        assert low < more[0] and high < more[1] or more[1] == high == 1
    wider = accuracy_interval(correct, total, (1 + confidence) / 2)
    assert wider[0] <= low and high <= wider[1]
    # Ten times the images, the same share.
    sharper = accuracy_interval(10 * correct, 10 * total, confidence)
    assert sharper[1] - sharper[0] <= high - low


@examples(100)
@given(data=st.data(), confidence=probabilities)
def test_paired_differences(data, confidence):
    size = data.draw(st.integers(1, 60))
    first, second = (data.draw(hnp.arrays(bool, size)) for _ in range(2))

    paired = paired_difference(first, second, confidence)
    back = paired_difference(second, first, confidence)

    low, high = paired.interval
    assert -1 <= low <= paired.difference <= high <= 1
    assert 0 <= paired.p_value <= 1 + 1e-9
    expected = first.mean() - second.mean()
    np.testing.assert_allclose(paired.difference, expected, atol=1e-12)
    np.testing.assert_allclose(back.difference, -paired.difference)
    np.testing.assert_allclose(back.interval, (-high, -low), atol=1e-9)
    np.testing.assert_allclose(back.p_value, paired.p_value)
    swapped = back.only_second, back.only_first
    assert swapped == (paired.only_first, paired.only_second)
    # Test and interval agree: both are exact, on the same images.
    if paired.p_value < 1 - confidence - 1e-9:
        assert low > 0 or high < 0
    order = np.random.default_rng(0).permutation(size)
    assert paired_difference(first[order], second[order], confidence) == paired


@examples(100)
@given(data=st.data(), seed=strategies.seeds)
def test_samples_in_which_each_class_keeps_its_share(data, seed):
    classes = data.draw(st.integers(1, 6))
    y = data.draw(
        hnp.arrays(
            "int64",
            st.integers(1, 80),
            elements=st.integers(0, classes - 1),
            fill=st.nothing(),
        )
    )
    limit = data.draw(st.integers(1, 90))

    rows = stratified_sample(y, limit, seed)

    assert rows.dtype == "int64" and len(rows) == min(limit, len(y))
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows.min() and rows.max() < len(y)
    np.testing.assert_array_equal(stratified_sample(y, limit, seed), rows)
    names = np.array(list("abcdef"))[y]
    hot = np.eye(classes)[y]
    forms = [y.astype("uint8"), names, y[:, None], y.astype("float32")]
    for form in [*forms, *([hot] if classes > 1 else [])]:
        np.testing.assert_array_equal(
            stratified_sample(form, limit, seed), rows
        )
    _, sizes = np.unique(y, return_counts=True)
    drawn = [int((y[rows] == value).sum()) for value in np.unique(y)]
    if limit >= len(sizes):
        assert min(drawn) >= 1
        shares = min(limit, len(y)) * sizes / len(y)
        # Rare classes get one row, which others then lack.
        lacking = np.maximum(1 - shares, 0).sum()
        assert (abs(np.array(drawn) - shares) <= 1 + lacking).all()
