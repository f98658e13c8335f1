"""What devices and processes cannot share is refused before any step."""

import keras
import numpy as np
import pytest

from keras_attn_defense.models import division
from tests import networks
from tests.models.helpers import defended
from tests.models.helpers import flat_weights

pytestmark = pytest.mark.once


class Batches(keras.utils.PyDataset):
    """Batches of four, the last one as large as it gets."""

    def __init__(self, num):
        super().__init__()
        self.data = networks.images_and_labels(num)

    def __len__(self):
        return -(-len(self.data[0]) // 4)

    def __getitem__(self, index):
        return [each[4 * index : 4 * index + 4] for each in self.data]


def loader(num, **kwargs):
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(
        *map(torch.tensor, networks.images_and_labels(num))
    )
    return torch.utils.data.DataLoader(data, batch_size=4, **kwargs)


def tf_data(num, **kwargs):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(networks.images_and_labels(num))
    return data.batch(4, **kwargs)


@pytest.fixture
def model():
    made = defended(networks.functional())
    made.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    return made


@pytest.fixture
def two_devices(monkeypatch):
    monkeypatch.setattr(division, "devices", lambda model: 2)


def arrays(num):
    x, y = networks.images_and_labels(num)
    return {"x": x, "y": y, "batch_size": 4}


WHOLE = [
    lambda: arrays(8),
    lambda: arrays(6),
    lambda: {"x": Batches(6)},
    lambda: {"x": loader(6)},
    lambda: {"x": loader(7, drop_last=True)},
    lambda: {"x": tf_data(7, drop_remainder=True)},
    # Nothing is known of a generator.
    lambda: {"x": iter([tuple(Batches(3)[0])]), "steps_per_epoch": 1},
    lambda: {**arrays(12), "validation_split": 0.5},
]
UNEVEN = {
    "The last batch of 3 images": lambda: arrays(7),
    "Batches of 3 images": lambda: {**arrays(6), "batch_size": 3},
    "The last batch of 1 images": lambda: {"x": Batches(5)},
    "last batch of 3 images": lambda: {"x": loader(7)},
    "drop_remainder=True": lambda: {"x": tf_data(8)},
    "Batches of 3": lambda: {**arrays(4), "validation_data": Batches(3)[0]},
    "Batches of 1": lambda: {**arrays(4), "validation_data": Batches(1)},
}


@pytest.mark.parametrize("data", WHOLE)
def test_whole_batches_are_trained_on(model, two_devices, data):
    model.fit(**data(), shuffle=False, verbose=0)


@pytest.mark.parametrize("message", UNEVEN)
def test_uneven_batches_are_refused(model, two_devices, message):
    before = flat_weights(model)
    with pytest.raises(ValueError, match=message):
        model.fit(**UNEVEN[message](), verbose=0)
    np.testing.assert_array_equal(flat_weights(model), before)


def test_uneven_batches_are_not_evaluated(model, two_devices):
    with pytest.raises(ValueError, match="The last batch of 3 images"):
        model.evaluate(*networks.images_and_labels(7), 4, verbose=0)


def test_one_device_takes_any_batch(model):
    model.fit(**arrays(7), verbose=0)
    model.evaluate(tf_data(7), verbose=0)


def test_split_validation_is_looked_at(model, two_devices):
    with pytest.raises(ValueError, match="The last batch of 3 images"):
        model.fit(**arrays(11), validation_split=0.3, verbose=0)
    model.fit(**arrays(12), validation_split=1 / 3, verbose=0)
