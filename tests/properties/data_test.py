"""Data: what goes in comes out, in the one form that all parts take."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_attn_defense import datasets
from keras_attn_defense.data import blocks
from keras_attn_defense.data import boxes_by_image
from keras_attn_defense.data import checked_boxes
from keras_attn_defense.data import class_indices
from keras_attn_defense.data import class_probabilities
from keras_attn_defense.data import object_masks
from keras_attn_defense.datasets.conversion import label_indices
from keras_attn_defense.datasets.conversion import unit_images
from tests.properties import strategies
from tests.properties.strategies import CLASSES
from tests.properties.strategies import examples
from tests.testing import to_numpy

BATCH = 3


@st.composite
def boxes(draw, most=3):
    """A list of boxes `(k, 4)` for each image."""
    found = []
    for _ in range(BATCH):
        rows = []
        for _ in range(draw(st.integers(0, most))):
            first = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
            sides = draw(st.floats(0.01, 0.1)), draw(st.floats(0.01, 0.1))
            rows.append([*first, *np.add(first, sides)])
        found.append(np.array(rows).reshape(-1, 4))
    return found


@examples(40)
@given(given_boxes=boxes())
def test_boxes_come_back_as_they_were(given_boxes):
    counts = [len(each) for each in given_boxes]

    checked = checked_boxes(given_boxes, BATCH)

    assert checked.dtype == "float64" and checked.shape[::2] == (BATCH, 4)
    np.testing.assert_array_equal(checked_boxes(checked), checked)
    by_image = boxes_by_image(checked, BATCH)
    assert [len(each) for each in by_image] == counts
    for one, other in zip(by_image, given_boxes, strict=True):
        np.testing.assert_array_equal(one, other)
    as_nan = np.where(checked == -1, np.nan, checked)
    np.testing.assert_array_equal(checked_boxes(as_nan), checked)
    if min(counts):
        # As fine a grid has a position in each box.
        areas = object_masks(given_boxes, (200, 200)).mean((1, 2))
        for area, rows in zip(areas, given_boxes, strict=True):
            sizes = (rows[:, 2:] - rows[:, :2]).prod(-1)
            assert sizes.max() - 0.02 <= area <= sizes.sum() + 0.02


@examples(30)
@given(
    given_boxes=boxes(most=1).filter(lambda rows: all(map(len, rows))),
    image=st.integers(0, BATCH - 1),
    corner=st.integers(0, 3),
    value=st.one_of(
        st.floats(1.01, 1e6), st.floats(-1e6, -1.01), st.just(np.inf)
    ),
)
def test_boxes_outside_of_the_image_are_refused(
    given_boxes, image, corner, value
):
    given_boxes[image][0, corner] = value

    with pytest.raises(ValueError, match=f"image {image}"):
        checked_boxes(given_boxes)


@examples(40)
@given(data=st.data(), value_range=st.sampled_from(strategies.RANGES))
def test_images_of_loaders(data, value_range):
    x = strategies.frozen(data.draw(strategies.images(BATCH, value_range)))
    # A sliver of the range is refused, as a division too many.
    lower, upper = value_range
    x = x.copy()
    x[0, 0, :2, 0] = value_range  # In one channel: a gray image has them too.
    strategies.frozen(x)

    unit = unit_images(x, "x", value_range)

    assert unit.dtype == "float32" and unit.shape == x.shape
    assert unit.min() == 0 and unit.max() == 1
    back = lower + unit.astype("float64") * (upper - lower)
    np.testing.assert_allclose(back, x, rtol=0, atol=1e-6 * (upper - lower))
    gray = unit_images(x[..., 0], "x", value_range)
    np.testing.assert_array_equal(gray, unit[..., :1])
    if value_range == (0.0, 255.0):
        whole = np.round(x)
        as_bytes = unit_images(whole.astype("uint8"), "x")
        expected = unit_images(whole, "x", value_range)
        np.testing.assert_array_equal(as_bytes, expected)


NAMES = [f"class {index}" for index in range(CLASSES)]
FORMS = {
    **strategies.LABEL_FORMS,
    "names": lambda y: np.array(NAMES)[y],
    "bytes": lambda y: np.array(NAMES, "S")[y],
}


@examples(40)
@given(y=strategies.labels(BATCH), form=st.sampled_from(sorted(FORMS)))
def test_labels_of_loaders(y, form):
    labels = FORMS[form](y)
    if form in ("float32", "float column"):
        with pytest.raises(ValueError, match="class indices"):
            label_indices(labels, "y", BATCH, NAMES)
        return

    indices = label_indices(labels, "y", BATCH, NAMES)

    assert indices.dtype == "int32"
    np.testing.assert_array_equal(indices, y)


@examples(20)
@given(y=strategies.labels(BATCH), form=strategies.label_forms)
def test_labels_of_calls(y, form):
    labels = strategies.LABEL_FORMS[form](y)

    indices = to_numpy(class_indices(labels, CLASSES))
    shares = to_numpy(class_probabilities(labels, CLASSES))

    np.testing.assert_array_equal(indices, y)
    np.testing.assert_array_equal(shares, np.eye(CLASSES)[y])


@examples(25)
@given(data=st.data(), form=st.sampled_from(["int64", "one-hot", "column"]))
def test_files_give_back_what_was_saved(data, form, tmp_path_factory):
    x = data.draw(
        hnp.arrays("uint8", (BATCH, 4, 4, 3), elements=st.integers(0, 255))
    )
    # A sliver of the range is refused, as a division too many.
    x[0, 0, 0, :2] = 0, 255
    y = data.draw(strategies.labels(BATCH))
    labels = strategies.LABEL_FORMS[form](y)
    path = tmp_path_factory.mktemp("sets") / "set.npz"
    arrays = {"x_train": x, "y_train": labels, "x_test": x, "y_test": labels}
    given_boxes = data.draw(boxes())
    whole = checked_boxes(given_boxes)
    np.savez(path, **arrays, boxes_train=whole)

    train, test = datasets.load_npz(path)

    for split in (train, test):
        expected = x.astype("float32") / np.float32(255)
        np.testing.assert_array_equal(split.images, expected)
        np.testing.assert_array_equal(split.labels, y)
    np.testing.assert_allclose(train.boxes, whole, atol=1e-7)
    assert test.boxes is None


@examples(60)
@given(data=st.data())
def test_blocks_hold_all_rows_in_order(data):
    num = data.draw(st.integers(1, 12))
    size = data.draw(st.integers(1, 5))
    limit = data.draw(st.one_of(st.none(), st.integers(1, 14)))
    x = np.arange(num * 3.0).reshape(num, 1, 1, 3)
    y = np.arange(num)
    cuts = sorted(data.draw(st.sets(st.integers(1, 11))))
    cuts = [cut for cut in cuts if cut < num]
    batches = list(zip(np.split(x, cuts), np.split(y, cuts), strict=True))
    most = num if limit is None else min(num, limit)

    for source in ((x, y), (batches, None), (iter(batches), None)):
        found = list(blocks(*source, size=size, limit=limit))

        assert [len(block[0]) for block in found[:-1]] == [size] * (
            len(found) - 1
        )
        columns = [
            np.concatenate(column) for column in zip(*found, strict=True)
        ]
        np.testing.assert_array_equal(columns[0], x[:most])
        np.testing.assert_array_equal(columns[1], y[:most])
