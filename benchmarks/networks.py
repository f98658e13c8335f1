"""Networks that the benchmarks train."""

import keras
from keras import layers


def resnet(depth=20, classes=10, size=32, channels=3, width=16, seed=0):
    """The CIFAR ResNet of He et al., 2016 (arXiv:1512.03385), with logits.

    Args:
        depth: Number of layers, `6 n + 2`: 8, 14, 20, 32, 44, 56, 110.
        classes: Number of classes.
        size: Height and width of the images.
        channels: Channels of the images.
        width: Filters of the first stage.
        seed: Integer seed of the weights.

    Returns:
        A built `keras.Model`.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"`depth` should be 6 n + 2. Received: depth={depth}")
    seeds = keras.random.SeedGenerator(seed)
    inputs = keras.Input((size, size, channels))
    x = _convolution(inputs, width, seeds)
    x = layers.ReLU(name="early")(layers.BatchNormalization()(x))
    for stage in range(3):
        for block in range((depth - 2) // 6):
            strides = 2 if stage and not block else 1
            x = _block(x, width * 2**stage, strides, seeds)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, kernel_initializer=_he(seeds))(x)
    return keras.Model(inputs, outputs, name=f"resnet_{depth}")


def preact_resnet18(classes=10, size=32, channels=3, width=64, seed=0):
    """PreActResNet-18 for CIFAR, the network of most published robust rows.

    Its arguments are those of `resnet`.

    Reference:
        [He et al., 2016](https://arxiv.org/abs/1603.05027), with the last
        normalization of
        [Wong et al., 2020](https://arxiv.org/abs/2001.03994).
    """
    seeds = keras.random.SeedGenerator(seed)
    inputs = keras.Input((size, size, channels))
    x = _convolution(inputs, width, seeds)
    for block in range(8):
        strides = 2 if block in (2, 4, 6) else 1
        x = _preact_block(x, width * 2 ** (block // 2), strides, seeds)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, kernel_initializer=_he(seeds))(x)
    return keras.Model(inputs, outputs, name="preact_resnet_18")


def conv(filters=4, seed=0, classes=10, size=32, channels=3):
    """One convolution, on which FGSM training collapses with four filters.

    Reference:
        [Andriushchenko and Flammarion, 2020](https://arxiv.org/abs/2007.02617),
        section 4.
    """
    seeds = keras.random.SeedGenerator(seed)
    inputs = keras.Input((size, size, channels))
    x = _convolution(inputs, filters, seeds)
    x = layers.Flatten()(layers.ReLU(name="early")(x))
    outputs = layers.Dense(classes, kernel_initializer=_he(seeds))(x)
    return keras.Model(inputs, outputs, name=f"conv{filters}")


def scenes(seed=0, classes=10, size=32, channels=3):
    """Three convolutions with strides and batch normalization."""
    seeds = keras.random.SeedGenerator(seed)
    x = inputs = keras.Input((size, size, channels))
    for filters, name in ((16, "early"), (32, None), (64, None)):
        x = _convolution(x, filters, seeds, strides=2)
        x = layers.ReLU(name=name)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(classes, kernel_initializer=_he(seeds))(x)
    return keras.Model(inputs, outputs, name="scenes")


def digits(seed=0, classes=10, size=28, channels=1):
    """Two convolutions and two dense layers, without normalization.

    Reference:
        The network for MNIST of
        [Wong et al., 2020](https://arxiv.org/abs/2001.03994).
    """
    seeds = keras.random.SeedGenerator(seed)
    x = inputs = keras.Input((size, size, channels))
    for filters, name in ((16, "early"), (32, None)):
        x = _convolution(x, filters, seeds, 4, 2, bias=True)
        x = layers.ReLU(name=name)(x)
    x = layers.Dense(100, kernel_initializer=_he(seeds))(layers.Flatten()(x))
    x = layers.Dense(classes, kernel_initializer=_he(seeds))(layers.ReLU()(x))
    return keras.Model(inputs, x, name="digits")


NETWORKS = {
    "conv4": lambda **kwargs: conv(4, **kwargs),
    "conv16": lambda **kwargs: conv(16, **kwargs),
    "scenes": scenes,
    "digits": digits,
    "resnet8": lambda **kwargs: resnet(8, **kwargs),
    "resnet20": lambda **kwargs: resnet(20, **kwargs),
    "resnet56": lambda **kwargs: resnet(56, **kwargs),
    "preact_resnet18": preact_resnet18,
}


def _block(x, filters, strides, seeds):
    shortcut = x
    if strides > 1 or x.shape[-1] != filters:
        shortcut = _convolution(x, filters, seeds, 1, strides)
        shortcut = layers.BatchNormalization()(shortcut)
    x = _convolution(x, filters, seeds, strides=strides)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.BatchNormalization()(_convolution(x, filters, seeds))
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _preact_block(x, filters, strides, seeds):
    active = layers.ReLU()(layers.BatchNormalization()(x))
    shortcut = x
    if strides > 1 or x.shape[-1] != filters:
        shortcut = _convolution(active, filters, seeds, 1, strides)
    x = _convolution(active, filters, seeds, strides=strides)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Add()([_convolution(x, filters, seeds), shortcut])


def _convolution(x, filters, seeds, kernel=3, strides=1, bias=False):
    layer = layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        use_bias=bias,
        kernel_initializer=_he(seeds),
    )
    return layer(x)


def _he(seeds):
    seed = int(keras.ops.convert_to_numpy(seeds.next())[-1])
    return keras.initializers.HeNormal(seed=seed)
