"""A classifier whose robustness is known in closed form, and its images."""

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad
from keras_attn_defense.attacks import FGSM
from keras_attn_defense.attacks import PGD

IMAGE_SHAPE = (4, 4, 3)


def brightness(scale=20.0, middle=0.5):
    """Tells dark images (class 0) from bright ones (class 1).

    The smallest linf distance to the other class is that of the mean from
    `middle`, as long as no value is clipped.
    """
    model = keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="head"),
        ],
        name="brightness",
    )
    kernel = np.tile([[-scale / 3, scale / 3]], (3, 1))
    bias = np.array([scale * middle, -scale * middle])
    model.set_weights([kernel, bias])
    return model


def images_of(means, shape=IMAGE_SHAPE, seed=0):
    """Images with these means, each with some texture."""
    generator = np.random.default_rng(seed)
    texture = generator.uniform(-0.05, 0.05, (len(means), *shape))
    texture -= texture.mean(axis=(1, 2, 3), keepdims=True)
    means = np.asarray(means)[:, None, None, None]
    return (means + texture).astype("float32")


# Distances of 0.02 to 0.2 from the boundary, on both sides.
DISTANCES = np.array([0.02, 0.05, 0.08, 0.11, 0.14, 0.2] * 4)
LABELS = np.arange(len(DISTANCES)) % 2
MEANS = 0.5 + np.where(LABELS == 1, DISTANCES, -DISTANCES)
IMAGES = images_of(MEANS)


def gradient_attacks(**arguments):
    """Attacks that compile fast."""
    return {
        "fgsm": FGSM(**arguments),
        "pgd": PGD(steps=3, seed=1, **arguments),
    }


def evaluate(model=None, x=IMAGES, y=LABELS, **arguments):
    """An evaluation that is cheap and silent, unless told otherwise."""
    arguments = {
        "attacks": FGSM(),
        "epsilons": 0.1,
        "checks": False,
        "verbose": 0,
        **arguments,
    }
    return kad.evaluate_robustness(model or brightness(), x, y, **arguments)
