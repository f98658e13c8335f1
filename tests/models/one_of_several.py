"""One of several processes that train a model together.

    python -m tests.models.one_of_several INDEX COUNT ADDRESSES FOLDER POLICY

It is run by `processes_test.py`, which trains the same in one process.
"""

import json
import pathlib
import sys

import keras
import numpy as np

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import flat_weights

EPOCHS = 10
BATCH = 8
IMAGES = 16


def start(index, count, addresses):
    """Connects the processes."""
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize(addresses, count, index)
    keras.distribution.set_distribution(keras.distribution.DataParallel())


def defended():
    """A model whose steps draw in its attack and its Dropout."""
    model = kad.AttentionDefendedModel(
        networks.stateful(),
        kad.attacks.PGD(16 / 255, steps=1, seed=1),
        rectification_weight=0.0,
        validation_attack=kad.attacks.FGSM(4 / 255),
    )
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        kad.losses.LabelCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def batches(x, y):
    """A data set of whole batches."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.batch(BATCH, drop_remainder=True)


def own_part(arrays, index, count):
    """The part of each batch that belongs to one process."""
    size = BATCH // count
    return [
        np.concatenate(
            [
                each[first + index * size : first + (index + 1) * size]
                for first in range(0, IMAGES, BATCH)
            ]
        )
        for each in arrays
    ]


def train(model, data, folder=None, **kwargs):
    """Trains, or goes on, with all callbacks that write."""
    callbacks = []
    if folder is not None:
        callbacks = [
            kad.callbacks.RobustnessEvaluation(
                *networks.images_and_labels(4, seed=2), attacks="fgsm", every=20
            ),
            kad.callbacks.RobustCheckpoint(folder / "best.keras"),
            kad.callbacks.TrainingLog(folder / "log.csv"),
            kad.callbacks.Resume(folder / "state"),
        ]
    history = model.fit(
        data,
        validation_data=batches(*networks.images_and_labels(IMAGES, seed=3)),
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
        **kwargs,
    )
    return history.history


def message(function):
    """The error that a function ends with."""
    try:
        function()
    except ValueError as error:
        return str(error)
    return None


def main(index, count, addresses, folder, policy):
    index, count = int(index), int(count)
    start(index, count, addresses)
    keras.config.set_dtype_policy(policy)
    folder = pathlib.Path(folder)
    x, y = networks.images_and_labels(IMAGES)
    data = batches(x, y)
    keras.utils.set_random_seed(0)
    train(defended(), data, folder, epochs=EPOCHS // 2)
    # As a new program would, which goes on with what is in the folder.
    model = defended()
    logs = train(model, data, folder, epochs=EPOCHS)
    found = {"logs": logs, "weights": flat_weights(model.base).tolist()}
    uneven = networks.images_and_labels(15)
    found["uneven"] = message(
        lambda: model.fit(batches(*uneven).unbatch().batch(BATCH), verbose=0)
    )
    keras.distribution.distribution().auto_shard_dataset = False
    own = own_part((x, y), index, count)
    size = BATCH // count
    # One image less in the last process than in the others.
    fewer = [each[: len(own[0]) - (index == count - 1)] for each in own]
    found["unequal"] = message(lambda: model.fit(*fewer, size, verbose=0))
    found["same"] = message(lambda: model.fit(x, y, size, verbose=0))
    spoiled = own[0] + (index == 0)
    found["spoiled"] = message(lambda: model.fit(spoiled, own[1], size))
    model.fit(*own, batch_size=size, epochs=1, shuffle=False, verbose=0)
    found["after arrays"] = flat_weights(model.base).tolist()
    model.save(folder / f"{index}.keras")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
