"""Arrays in batches, in an order that is drawn as each epoch begins."""

import keras
import numpy as np
from keras import ops


class ShuffledBatches(keras.utils.PyDataset):
    """Yields batches of arrays in a new order in each epoch.

    The order is drawn from NumPy's global generator when an epoch begins, on
    every backend. (For arrays, Keras draws it elsewhere on each of them; on
    TensorFlow, nobody can set it back to what it was.)

    Args:
        data: `(x, y, sample_weight)`: arrays, or lists or dicts of arrays; the
            last ones may be None.
        batch_size: Number of samples in a batch. None means 32.
    """

    def __init__(self, data, batch_size=None):
        super().__init__()
        self._data = keras.tree.map_structure(_indexable, tuple(data))
        self._batch_size = batch_size or 32
        leaves = keras.tree.flatten(self._data)
        sizes = {len(leaf) for leaf in leaves if leaf is not None}
        if len(sizes) > 1:
            raise ValueError(
                "Images, labels and sample weights should be equally many. "
                f"Received: {sorted(sizes)}"
            )
        # `sizes` has one element now, the number of samples.
        self._order = np.arange(*sizes)

    def __len__(self):
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index):
        first = index * self._batch_size
        chosen = self._order[first : first + self._batch_size]
        return keras.utils.pack_x_y_sample_weight(*_part(self._data, chosen))

    def on_epoch_begin(self):
        self._order = np.random.permutation(len(self._order))


def is_arrays(x):
    """Tells whether `fit` would take data for arrays, not for a data set."""
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def split_off(data, share):
    """Splits arrays as `validation_split` of `fit` says.

    Args:
        data: `(x, y, sample_weight)`.
        share: The share of the last samples.

    Returns:
        Two tuples like `data`.
    """
    size = len(next(v for v in keras.tree.flatten(data) if v is not None))
    first = int(size * (1.0 - share))
    return [_part(data, slice(first)), _part(data, slice(first, None))]


def _part(data, chosen):
    return keras.tree.map_structure(
        lambda leaf: None if leaf is None else leaf[chosen], tuple(data)
    )


def _indexable(leaf):
    if leaf is None or isinstance(leaf, np.ndarray):
        return leaf
    return ops.convert_to_numpy(leaf)
