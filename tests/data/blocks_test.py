"""Tests of blocks: equal rows from data of any kind."""

import keras
import numpy as np
import pytest

from keras_attn_defense.data import blocks

RNG = np.random.default_rng(0)
X = RNG.random((11, 4, 4, 3)).astype("float32")
Y = np.arange(11)
BOXES = RNG.random((11, 2, 4)).astype("float32")


class Batches(keras.utils.PyDataset):
    def __init__(self, columns):
        super().__init__()
        self.columns = columns

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(c[4 * index : 4 * index + 4] for c in self.columns)


def generator(columns):
    yield from (Batches(columns)[index] for index in range(3))


def tf_data(columns):
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(columns).batch(4)


def torch_loader(columns):
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(*map(torch.tensor, columns))
    return torch.utils.data.DataLoader(data, batch_size=4)


@pytest.mark.parametrize("make", [Batches, generator, tf_data, torch_loader])
@pytest.mark.parametrize("columns", [(X, Y), (X, Y, BOXES)])
@pytest.mark.parametrize("limit", [None, 9])
def test_data_sets_give_the_same_as_arrays(make, columns, limit):
    arrays = [*columns, None][:3]
    expected = list(blocks(*arrays, size=5, limit=limit))

    actual = list(blocks(make(columns), None, None, size=5, limit=limit))

    rows = limit or 11
    sizes = [len(block[0]) for block in actual]
    assert sizes == ([5, 5, 1] if limit is None else [5, 4])
    for block, other in zip(actual, expected, strict=True):
        for values, others in zip(block, other, strict=True):
            np.testing.assert_array_equal(values, others)
    for column, pieces in zip(columns, zip(*actual, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces), column[:rows])


def test_a_third_column_is_left_out_unless_asked_for():
    for block in blocks(Batches((X, Y, BOXES)), None, size=5):
        assert len(block) == 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((X, None, BOXES), "Pass `y`"),
        ((X, Y[:5], None), "11 images and 5 labels"),
        ((X, Y, BOXES[:5]), "11 images and 5 boxes"),
        ((Batches((X, Y)), None, BOXES), "`boxes` is given, but `x` is a data"),
        ((Batches((X, Y)), Y, None), "`y` is given, but `x` is a data"),
        (([(X, Y, BOXES[:3])], None, None), "In a batch .* 3 boxes"),
        (([(X, Y), (X, Y, BOXES)], None, None), "differ in their columns"),
        (([(X[0], Y[0])], None, None), r"\[\(4, 4, 3\), \(\)\]. Batch the"),
        (
            ([(X, Y, BOXES), (X, Y, BOXES[:, :1])], None, None),
            "fewer boxes than others, add rows of -1",
        ),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        list(blocks(*arguments, size=30))
