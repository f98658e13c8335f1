"""The one decorator that makes a class loadable from `.keras` files."""

import keras

PACKAGE = "keras_attn_defense"


def register(cls):
    """Registers `cls` with Keras under this package's name."""
    return keras.saving.register_keras_serializable(package=PACKAGE)(cls)
