"""Prints the logs and weights of two steps, on one device and then on two.

Run by `distribution_test.py` in a process of its own, because the number of
devices is fixed when a framework starts.
"""

import contextlib
import json

import keras
import numpy as np

import keras_attn_defense as kad
from tests import networks
from tests.models.helpers import flat_weights


def one_device():
    """The first of two virtual CPU devices."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
    return contextlib.nullcontext()


def two_devices():
    """The strategy that spreads a batch over both."""
    if keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()


def draws(strategy):
    """What devices draw in two steps, and their seeds after it."""
    import tensorflow as tf

    from keras_attn_defense._backend import tensorflow_processes

    with strategy.scope():
        generator = keras.random.SeedGenerator(1)

    @tf.function
    def draw():
        with tensorflow_processes.seeds_of_device([generator.state]):
            number = keras.random.uniform((), seed=generator)
        return number, tf.identity(generator.state.value)

    steps = [strategy.run(draw) for _ in range(2)]
    numbers, states = (
        [np.array(strategy.experimental_local_results(each)) for each in kind]
        for kind in zip(*steps, strict=True)
    )
    return {
        "numbers": np.ravel(numbers).tolist(),
        "states": states[-1].tolist(),
    }


def uneven(model):
    """What `fit` says of a last batch of 7 images, and if weights moved."""
    before = flat_weights(model.base)
    message = ""
    try:
        model.fit(*networks.images_and_labels(15), batch_size=8, verbose=0)
    except ValueError as error:
        message = str(error)
    return message, bool((flat_weights(model.base) != before).any())


def train(scope):
    keras.utils.set_random_seed(0)
    with scope:
        base = networks.functional()
        # Weight decay belongs to the network: once, not once for a device.
        base.layers[1].kernel.regularizer = keras.regularizers.L2(0.1)
        model = kad.AttentionDefendedModel(
            base,
            kad.attacks.FGSM(16 / 255),
            preservation_weight=50.0,
            validation_attack=None,
        )
        model.compile(
            keras.optimizers.SGD(0.01),
            kad.losses.LabelCrossentropy(from_logits=True),
        )
    x, y = networks.images_and_labels(16)
    history = model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history
    weights = flat_weights(model.base)
    logs = {name: values[0] for name, values in history.items()}
    found = {"logs": logs, "weights": weights.tolist(), "uneven": uneven(model)}
    if keras.backend.backend() == "tensorflow":
        found["draws"] = draws(model.distribute_strategy)
    return found


if __name__ == "__main__":
    print(json.dumps([train(one_device()), train(two_devices())]))
