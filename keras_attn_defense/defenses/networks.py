"""Small networks of images that purifiers consist of."""

import keras
from keras import layers

from ..preprocessing.resampling import check_sides

# Whatever Keras is set to: a purifier moves the channels itself.
_LAST = {"data_format": "channels_last"}


def u_net(shape, filters, levels):
    """A U-Net from images to changes of them, zero at first.

    Args:
        shape: `(height, width, channels)`.
        filters: Channels of the first level, doubled from level to level.
        levels: Number of times the image is halved.
    """
    sides = check_sides(shape[:2])
    padding = [(0, -side % 2**levels) for side in sides]
    inputs = keras.Input(shape)
    x = layers.ZeroPadding2D(padding, **_LAST)(inputs)
    skipped = []
    for level in range(levels):
        x = _twice(x, filters * 2**level)
        skipped.append(x)
        x = layers.AveragePooling2D(2, **_LAST)(x)
    x = _twice(x, filters * 2**levels)
    for level in reversed(range(levels)):
        x = layers.UpSampling2D(interpolation="bilinear", **_LAST)(x)
        x = layers.Concatenate()([x, skipped[level]])
        x = _twice(x, filters * 2**level)
    x = _last(shape[2])(x)
    outputs = layers.Cropping2D(padding, **_LAST)(x)
    return keras.Model(inputs, outputs, name="u_net")


def enhancer(channels, filters, blocks):
    """A small EDSR: images to changes of them at twice their sides, zero first.

    Args:
        channels: Channels of the images, whose sides may be any.
        filters: Channels inside.
        blocks: Number of residual blocks.
    """
    inputs = keras.Input((None, None, channels))
    first = x = _convolution(filters, activation=None)(inputs)
    for _ in range(blocks):
        x = _block(x, filters)
    x = layers.Add()([first, _convolution(filters, activation=None)(x)])
    # A pixel of the half image becomes four of the whole.
    x = layers.Conv2DTranspose(
        filters, 2, strides=2, activation="relu", **_LAST
    )(x)
    return keras.Model(inputs, _last(channels)(x), name="enhancer")


def discriminator(shape, filters):
    """Strided convolutions from images to one logit.

    Args:
        shape: `(height, width, channels)`.
        filters: Channels of the first; doubled twice.
    """
    stack = [keras.Input(shape)]
    for level in range(3):
        stack.append(
            layers.Conv2D(
                filters * 2**level,
                3,
                strides=2,
                padding="same",
                activation="leaky_relu",
                **_LAST,
            )
        )
    stack += [layers.GlobalAveragePooling2D(**_LAST), layers.Dense(1)]
    return keras.Sequential(stack, name="discriminator")


def _twice(x, filters):
    return _convolution(filters)(_convolution(filters)(x))


def _block(x, filters):
    y = _convolution(filters, activation=None)(_convolution(filters)(x))
    return layers.Add()([x, y])


def _convolution(filters, activation="relu"):
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        activation=activation,
        **_LAST,
    )


def _last(channels):
    """A convolution that changes nothing before it is trained."""
    return layers.Conv2D(
        channels,
        3,
        padding="same",
        kernel_initializer="zeros",
        **_LAST,
    )
