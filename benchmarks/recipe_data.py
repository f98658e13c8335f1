"""The images that `recipes.py` and `train_zoo.py` train on."""

import keras
import numpy as np

from keras_attn_defense import datasets


def load(name, images):
    """Returns `(train, test)`, pairs of images and labels.

    Args:
        name: `"digits"`, which come with scikit-learn, `"digit scenes"`, or
            the path of a `.npz` file.
        images: The number of images to train on, at most.
    """
    if name == "digits":  # 8 x 8 pixels.
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x = x.reshape(-1, 8, 8, 1).astype("float32") / 16
        order = np.random.default_rng(0).permutation(len(x))
        x, y = x[order], y[order]
        return (x[:1400], y[:1400]), (x[1400:], y[1400:])
    if name == "digit scenes":
        train, test = datasets.load_digit_scenes(images)
    else:
        train, test = datasets.load_npz(name)
    train = train.images[:images], train.labels[:images]
    return train, (test.images, test.labels)


def mirrors(name):
    """Tells whether images may be mirrored, which digits may not."""
    return name.endswith(".npz") and "mnist" not in name


def epoch_data(x, y, seed, epoch, mirror):
    """The images of an epoch, shuffled and maybe half of them mirrored."""
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(x))
    x, y = x[order], y[order]
    if mirror:
        mirrored = random.random(len(x)) < 0.5
        x[mirrored] = x[mirrored, :, ::-1]
    return x, y


class Epochs(keras.utils.PyDataset):
    """Batches for `fit`, in an order of each epoch's own.

    Give `fit` its `callback` too, which tells it the epoch: Keras calls
    `on_epoch_end` once more than there are epochs.

    Args:
        train: Images and labels.
        batch: Size of a batch.
        seed: Seed of the order.
        mirror: Whether to mirror half of the images.
    """

    def __init__(self, train, batch, seed, mirror):
        super().__init__()
        self.train, self.batch = train, batch
        self.seed, self.mirror = seed, mirror
        self.callback = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: self.begin(epoch)
        )
        self.begin(0)

    def begin(self, epoch):
        self.data = epoch_data(*self.train, self.seed, epoch, self.mirror)

    def __len__(self):
        return -(-len(self.train[0]) // self.batch)

    def __getitem__(self, index):
        part = slice(index * self.batch, (index + 1) * self.batch)
        return tuple(array[part] for array in self.data)
