"""Short names for what every test of the defended model does."""

import keras
import numpy as np

import keras_attn_defense as kad
from tests import networks


def data(num):
    """Images in (0, 1) and integer labels of four classes."""
    return networks.images_and_labels(num)


def defended(base, *, attack=None, validation_attack=None, **kwargs):
    """A defended model with a cheap attack."""
    return kad.AttentionDefendedModel(
        base,
        attack or kad.attacks.FGSM(16 / 255),
        validation_attack=validation_attack,
        **kwargs,
    )


def last(history):
    """The logs of the last epoch, as floats."""
    return {name: float(v[-1]) for name, v in history.history.items()}


def flat_weights(model):
    """All trainable weights in one vector."""
    values = [keras.ops.convert_to_numpy(w) for w in model.trainable_weights]
    return np.concatenate([value.ravel() for value in values])
