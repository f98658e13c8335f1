"""Four small networks of logits that share little but their data.

The layer "middle" of each is where its features are attacked.
"""

import keras
from keras import layers

SHAPE = (32, 32, 3)


def vgg():
    """Convolutions of 3x3, ReLU and max pooling, a dense head."""
    x = inputs = keras.Input(SHAPE)
    x = _convolution(x, 24, strides=2)
    x = _convolution(x, 24)
    x = layers.MaxPooling2D()(x)
    x = _convolution(x, 48)
    x = _convolution(x, 48, name="middle")
    x = layers.MaxPooling2D()(x)
    x = _convolution(x, 96)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10)(x), name="vgg")


def resnet():
    """Residual blocks of two convolutions, ReLU, a pooled head."""
    x = inputs = keras.Input(SHAPE)
    x = _convolution(x, 20, strides=2)
    for number, filters in enumerate((20, 40, 80)):
        strides = 2 if number else 1
        y = _convolution(x, filters, strides=strides)
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
        y = layers.BatchNormalization()(y)
        x = layers.Conv2D(filters, 1, strides=strides)(x)
        name = "middle" if number == 1 else None
        x = layers.ReLU(name=name)(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x), name="resnet")


def wide():
    """Three strided convolutions of 5x5 and GELU, a dense head."""
    x = inputs = keras.Input(SHAPE)
    for number, filters in enumerate((24, 40, 80)):
        name = "middle" if number == 1 else None
        x = _convolution(x, filters, 2, name, side=5, activation="gelu")
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10)(x), name="wide")


def inception():
    """Parallel convolutions of 1x1, 3x3 and 5x5, a head of maxima."""
    x = inputs = keras.Input(SHAPE)
    x = _convolution(x, 16, strides=2)
    for number, filters in enumerate((12, 16)):
        branches = [_convolution(x, filters, side=side) for side in (1, 3, 5)]
        name = "middle" if number == 0 else None
        x = layers.Concatenate(name=name)(branches)
        x = layers.AveragePooling2D(2)(x)
    x = layers.GlobalMaxPooling2D()(_convolution(x, 96))
    return keras.Model(inputs, layers.Dense(10)(x), name="inception")


NETWORKS = {
    "vgg": vgg,
    "resnet": resnet,
    "wide": wide,
    "inception": inception,
}


def _convolution(x, filters, strides=1, name=None, side=3, activation="relu"):
    x = layers.Conv2D(
        filters, side, strides=strides, padding="same", use_bias=False
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation, name=name)(x)
