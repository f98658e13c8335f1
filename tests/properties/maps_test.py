"""Attention maps, masks, and the numbers that are made of them."""

import keras
import numpy as np
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from keras_attn_defense import analysis
from keras_attn_defense import attention
from tests import networks
from tests.properties import strategies
from tests.properties.strategies import examples
from tests.testing import assert_same_state
from tests.testing import state
from tests.testing import to_numpy

BATCH = 3
SIDE = 5
METHODS = {
    "grad-cam": {"normalization": "sum", "upsample": False},
    "layer-cam": {},
    "hires-cam": {"normalization": "softmax", "upsample": False},
    "eigen-cam": {"normalization": "l2", "upsample": False},
    "input-gradients": {},
    "occlusion": {"patch": 4, "stride": 4, "normalization": None},
}
# What the values of one map come to, if they are not all zero.
TOTALS = {
    "max": lambda maps: maps.max((1, 2)),
    "sum": lambda maps: maps.sum((1, 2)),
    "softmax": lambda maps: maps.sum((1, 2)),
    "l2": lambda maps: np.sqrt((maps**2).sum((1, 2))),
}
_built = {}


def _method(name):
    if name not in _built:
        model = strategies.convolutional()
        _built[name] = attention.get(name, model=model, **METHODS[name])
    return _built[name]


@pytest.mark.parametrize("name", strategies.chosen(METHODS, ["grad-cam"]))
@examples(3)
@given(data=st.data())
def test_maps(name, data):
    method = _method(name)
    x = data.draw(strategies.images(BATCH, shape=networks.IMAGE_SHAPE))
    y = data.draw(strategies.labels(BATCH))
    form = data.draw(st.sampled_from(["int64", "column", "one-hot", "tensor"]))
    order = np.array(data.draw(st.permutations(range(BATCH))))
    strategies.frozen(x, y)
    before = state(method.model)

    maps = to_numpy(method(x, y))

    upsampled = getattr(method, "upsample", True)
    size = networks.IMAGE_SHAPE[:2] if upsampled else (4, 4)
    assert maps.shape == (BATCH, *size)
    assert maps.dtype == "float32" and np.isfinite(maps).all()
    assert (maps >= 0).all()
    if method.normalization == "max":
        assert (maps <= 1 + 1e-6).all()
    # Maps of features are normalized before they are brought to full size.
    if name != "layer-cam" and method.normalization in TOTALS:
        total = TOTALS[method.normalization](maps.astype("float64"))
        np.testing.assert_allclose(
            total, np.where(maps.any((1, 2)), 1.0, 0.0), rtol=1e-4
        )
    assert_same_state(before, state(method.model))
    close = {"rtol": 1e-3, "atol": 1e-4}
    permuted = to_numpy(method(x[order], y[order]))
    np.testing.assert_allclose(permuted, maps[order], **close)
    labeled = to_numpy(method(x, strategies.LABEL_FORMS[form](y)))
    np.testing.assert_array_equal(labeled, maps)
    alone = to_numpy(method(x[:1], y[:1]))
    np.testing.assert_allclose(alone, maps[:1], **close)


THRESHOLDS = ["mean", "maximum", "quantile", "area"]


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("mode", ["hard", "soft"])
@examples(8)
@given(data=st.data())
def test_masks_hide_pixels_and_change_no_others(threshold, mode, data):
    value_range = data.draw(st.sampled_from(strategies.RANGES))
    x = strategies.frozen(data.draw(strategies.images(BATCH, value_range)))
    maps = data.draw(strategies.maps(BATCH, side=4))
    level = None
    if threshold != "mean":  # Which has none.
        level = data.draw(st.one_of(st.none(), st.floats(0, 1)))
    mask = attention.AttentionMask(
        threshold, level, mode=mode, value_range=value_range
    )

    masked = to_numpy(mask(x, maps))
    area = to_numpy(mask.area(keras.ops.array(maps)))

    fill = np.float32(sum(value_range) / 2)
    assert masked.shape == x.shape
    assert ((0 <= area) & (area <= 1)).all()
    if mode == "hard":
        assert np.isin(area, (0, 1)).all()
        hidden = np.broadcast_to(area[..., None] == 1, x.shape)
        np.testing.assert_array_equal(masked, np.where(hidden, fill, x))
    else:
        width = value_range[1] - value_range[0]
        assert (masked >= np.minimum(x, fill) - 1e-6 * width).all()
        assert (masked <= np.maximum(x, fill) + 1e-6 * width).all()
    if mode == "hard" and threshold == "area":
        share = 0.2 if level is None else level
        most = round(share * maps[0].size)
        assert (area.sum((1, 2)) <= most).all()
        distinct = [len(np.unique(each)) == each.size for each in maps]
        assert (area.sum((1, 2))[distinct] == most).all()


@pytest.mark.parametrize("threshold", ["mean", "quantile"])
@examples(25)
@example(values=[0.0, 0.1, 0.5351278781890869])
@given(
    values=st.lists(
        st.floats(0, 1, width=32, allow_subnormal=False),
        min_size=BATCH,
        max_size=BATCH,
    )
)
def test_a_constant_map_has_no_area_above_the_rest(threshold, values):
    maps = np.float32(values)[:, None, None] * np.ones((1, 3, 5), "float32")

    area = to_numpy(
        attention.AttentionMask(threshold).area(keras.ops.array(maps))
    )

    assert not area.any()


@examples(25)
@given(first=strategies.maps(BATCH), second=strategies.maps(BATCH))
def test_comparisons_of_maps(first, second):
    moved = analysis.attention_deviation(first, second)
    back = analysis.attention_deviation(second, first)
    same = analysis.attention_deviation(first, first)

    for one, other in zip(moved, back, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert ((0 <= moved.iou) & (moved.iou <= 1)).all()
    assert (abs(moved.rank_correlation) <= 1 + 1e-9).all()
    assert ((0 <= moved.centroid_shift) & (moved.centroid_shift <= 1)).all()
    np.testing.assert_allclose(same.iou, 1.0)
    np.testing.assert_allclose(same.rank_correlation, 1.0)
    np.testing.assert_allclose(same.centroid_shift, 0.0)


@examples(25)
@given(
    maps=strategies.maps(BATCH, lowest=-1.0),
    power=st.integers(-3, 3),
    order=st.permutations(range(BATCH)),
)
def test_scatter_of_maps(maps, power, order):
    scatter = analysis.attention_scatter(maps)

    assert ((0 <= scatter.components) & (scatter.components <= SIDE**2)).all()
    assert ((-1e-9 <= scatter.entropy) & (scatter.entropy <= 1 + 1e-9)).all()
    assert ((0 <= scatter.spread) & (scatter.spread <= 1)).all()
    for changed, expected in (
        (maps * 2.0**power, scatter),
        (maps[list(order)], [value[list(order)] for value in scatter]),
        # What is seen in a mirror is as scattered.
        (maps[:, ::-1], scatter),
    ):
        actual = analysis.attention_scatter(np.ascontiguousarray(changed))
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


@examples(25)
@given(maps=strategies.maps(BATCH), data=st.data())
def test_completeness_is_a_share_and_full_where_the_map_is_the_object(
    maps, data
):
    corners = st.integers(0, SIDE - 1)
    left, top = data.draw(corners), data.draw(corners)
    right = data.draw(st.integers(left + 1, SIDE))
    bottom = data.draw(st.integers(top + 1, SIDE))
    box = np.array([left, top, right, bottom]) / SIDE
    boxes = np.tile(box, (BATCH, 1))
    inside = np.zeros((BATCH, SIDE, SIDE))
    inside[:, top:bottom, left:right] = 1

    shares = analysis.attention_completeness(maps, boxes)

    assert ((0 <= shares) & (shares <= 1)).all()
    full = analysis.attention_completeness(maps + 2 * inside, boxes)
    np.testing.assert_allclose(full, 1.0)
    as_masks = analysis.attention_completeness(maps, inside)
    np.testing.assert_array_equal(as_masks, shares)
    listed = analysis.attention_completeness(maps, [box[None]] * BATCH)
    np.testing.assert_array_equal(listed, shares)


@examples(20)
@given(first=strategies.maps(BATCH), second=strategies.maps(BATCH))
def test_overlap_of_areas(first, second):
    areas, others = (each > 0.5 for each in (first, second))
    areas, others = areas.astype("float32"), others.astype("float32")

    overlap = to_numpy(attention.intersection_over_union(areas, others))

    assert ((0 <= overlap) & (overlap <= 1)).all()
    back = to_numpy(attention.intersection_over_union(others, areas))
    np.testing.assert_array_equal(back, overlap)
    same = (areas == others).all((1, 2))
    np.testing.assert_array_equal(overlap == 1, same)
