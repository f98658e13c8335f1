"""Networks and images of the attention study."""

import keras
import numpy as np
import quickstart
from keras import layers

from keras_attn_defense.datasets import load_digit_scenes
from keras_attn_defense.preprocessing import with_preprocessing


def load(options):
    """Networks by name, and images, labels and boxes to attack.

    Args:
        options: The parsed command line.
    """
    if options.data == "digit_scenes":
        return _saved(options.networks), tuple(load_digit_scenes()[1])
    test = _arrays(options.images)
    if options.networks:
        return _saved(options.networks), test
    if options.data == "imagenet":
        return {"mobilenet": _mobilenet(options.weights)}, test
    return {"tiny": _trained(options, test)}, test


def _saved(paths):
    models = {path.stem: keras.saving.load_model(path) for path in paths}
    return {name: getattr(m, "base", m) for name, m in models.items()}


def _arrays(path):
    with np.load(path) as file:
        images = file["x"].astype("float32") / 255
        return images, file["y"].astype("int32"), file["boxes"]


def _mobilenet(weights):
    network = keras.applications.MobileNet(alpha=0.75, weights=None)
    network.load_weights(weights)
    return with_preprocessing(
        network, "tf", value_range=(0, 1), name="mobilenet_0.75"
    )


def _trained(options, test):
    """The quickstart's network, on images mirrored and shifted."""
    images, labels, _ = _arrays(options.train)
    keras.utils.set_random_seed(options.seed)
    network = quickstart.build_network(images.shape[1:], int(labels.max()) + 1)
    augment = keras.Sequential(
        [
            layers.RandomFlip("horizontal", seed=options.seed),
            layers.RandomTranslation(0.1, 0.1, seed=options.seed),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(
        quickstart.LEARNING_RATE, options.epochs * (len(images) // 64)
    )
    network.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for epoch in range(options.epochs):
        seen = [
            keras.ops.convert_to_numpy(
                augment(images[i : i + 500], training=True)
            )
            for i in range(0, len(images), 500)
        ]
        print(f"Epoch {epoch + 1} of {options.epochs}", flush=True)
        network.fit(np.concatenate(seen), labels, 64, verbose=2)
    print(network.evaluate(*test[:2], 200, return_dict=True, verbose=0))
    if options.out is not None:
        network.save(options.out)
    return network
