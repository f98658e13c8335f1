"""Tiny image classifiers of every form, with weights that NumPy draws.

The same builder gives the same weights on every backend. Activations are
smooth unless said otherwise, so that finite differences hold.
"""

import keras
import numpy as np
from keras import layers

IMAGE_SHAPE = (8, 8, 3)
NUM_CLASSES = 4
ENDINGS = {
    "softmax": (NUM_CLASSES, "softmax"),
    "sigmoid": (1, "sigmoid"),
    "logits": (NUM_CLASSES, None),
    "softmax_layer": (NUM_CLASSES, None),
    "logit": (1, None),
}


def images_and_labels(num=4, shape=IMAGE_SHAPE, classes=NUM_CLASSES, seed=0):
    """Images away from the bounds of (0, 1), and a label for each."""
    generator = np.random.default_rng(seed)
    images = generator.uniform(0.1, 0.9, (num, *shape)).astype("float32")
    return images, np.arange(num, dtype="int32") % classes


def set_weights(model, seed=0, scale=1.0):
    """Draws weights; kernels as Glorot does, times `scale`."""
    generator = np.random.default_rng(seed)
    weights = []
    for variable in model.weights:
        shape = tuple(variable.shape)
        if len(shape) < 2:
            value = generator.uniform(0.1, 0.3, shape)
            if variable.name == "gamma" or "variance" in variable.name:
                value += 0.8
        else:
            fans = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
            limit = scale * np.sqrt(6.0 / fans)
            value = generator.uniform(-limit, limit, shape)
        weights.append(value)
    model.set_weights(weights)
    return model


def sharpened(model, factor):
    """`model` with logits `factor` times as large, biases aside."""
    (kernel,) = (w for w in model.weights if w.path.endswith("head/kernel"))
    kernel.assign(kernel.value * factor)
    return model


def ending_layers(ending, dtype=None):
    """The layers from pooled features to the model's output."""
    units, activation = ENDINGS[ending]
    head = [layers.Dense(units, activation, name="head", dtype=dtype)]
    if ending == "softmax_layer":
        head.append(layers.Softmax(dtype=dtype))
    return head


def sequential(ending="logits", *, dtype=None, scale=1.0, seed=2):
    """Two convolutions, global average pooling, dense: a linear head."""
    model = keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(4, 3, activation="tanh", name="first", dtype=dtype),
            layers.Conv2D(5, 3, activation="tanh", name="last", dtype=dtype),
            layers.GlobalAveragePooling2D(dtype=dtype),
            *ending_layers(ending, dtype),
        ]
    )
    return set_weights(model, seed, scale)


def functional(ending="logits", *, dtype=None, scale=1.0, seed=1):
    """A head that is smooth but not linear; feature maps of 4x4."""
    inputs = keras.Input(
        IMAGE_SHAPE, dtype=keras.DTypePolicy(dtype or "float32").variable_dtype
    )
    x = layers.Conv2D(
        3, 3, strides=2, padding="same", activation="tanh", dtype=dtype
    )(inputs)
    x = layers.Conv2D(4, 3, padding="same", name="last", dtype=dtype)(x)
    x = layers.Activation("tanh", name="features", dtype=dtype)(x)
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(5, activation="tanh", name="hidden", dtype=dtype)(x)
    for layer in ending_layers(ending, dtype):
        x = layer(x)
    return set_weights(keras.Model(inputs, x), seed, scale)


def residual(ending="logits", *, seed=2):
    """The layer `branch` lies inside a residual branch."""
    inputs = keras.Input(IMAGE_SHAPE)
    x = layers.Conv2D(4, 3, padding="same", activation="tanh", name="stem")(
        inputs
    )
    y = layers.Conv2D(4, 3, padding="same", activation="tanh", name="branch")(x)
    y = layers.Conv2D(4, 1, name="after")(y)
    x = layers.Add(name="sum")([x, y])
    x = layers.GlobalAveragePooling2D()(layers.Activation("tanh")(x))
    for layer in ending_layers(ending):
        x = layer(x)
    return set_weights(keras.Model(inputs, x), seed)


def nested(ending="logits", *, seed=3):
    """A backbone that is a model of its own, called as a layer."""
    backbone_inputs = keras.Input(IMAGE_SHAPE)
    x = layers.Conv2D(4, 3, activation="tanh", name="inner")(backbone_inputs)
    x = layers.Conv2D(4, 3, activation="tanh", name="last")(x)
    backbone = keras.Model(backbone_inputs, x, name="backbone")
    inputs = keras.Input(IMAGE_SHAPE)
    x = layers.GlobalAveragePooling2D()(backbone(inputs))
    for layer in ending_layers(ending):
        x = layer(x)
    return set_weights(keras.Model(inputs, x), seed)


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Subclassed(keras.Model):
    """A model whose graph Keras does not know."""

    def __init__(self, ending="logits", **kwargs):
        super().__init__(**kwargs)
        self.output_activation = ending
        self.first = layers.Conv2D(4, 3, activation="tanh", name="first")
        self.last = layers.Conv2D(4, 3, activation="tanh", name="last")
        self.pool = layers.GlobalAveragePooling2D()
        self.head = ending_layers(ending)

    def call(self, inputs):
        x = self.pool(self.last(self.first(inputs)))
        for layer in self.head:
            x = layer(x)
        return x

    def get_config(self):
        return {**super().get_config(), "ending": self.output_activation}


def subclassed(ending="logits", *, seed=4):
    model = Subclassed(ending)
    model(np.zeros((1, *IMAGE_SHAPE), "float32"))
    return set_weights(model, seed)


def stateful(ending="logits", *, seed=7):
    """BatchNorm, dropout, weight decay and a loss of its activations."""
    model = keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.BatchNormalization(momentum=0.9, name="norm"),
            layers.Conv2D(
                4,
                3,
                activation="tanh",
                kernel_regularizer=keras.regularizers.L2(0.01),
                activity_regularizer=keras.regularizers.L2(0.01),
                name="last",
            ),
            layers.BatchNormalization(name="second_norm"),
            layers.Dropout(0.4, seed=7, name="dropout"),
            layers.GlobalAveragePooling2D(),
            *ending_layers(ending),
        ]
    )
    return set_weights(model, seed)


FORMS = {
    "sequential": sequential,
    "functional": functional,
    "residual": residual,
    "nested": nested,
    "subclassed": subclassed,
}


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class ClassToken(layers.Layer):
    """Puts a learned token before the others; adds learned positions."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[2]), name="token")
        self.positions = self.add_weight(
            shape=(1, shape[1] + 1, shape[2]), name="positions"
        )

    def call(self, inputs):
        first = keras.ops.zeros_like(inputs[:, :1]) + self.token
        joined = keras.ops.concatenate([first, inputs], axis=1)
        return joined + self.positions


def vision_transformer(pool="token", *, shape=IMAGE_SHAPE, seed=6):
    """Two blocks of self-attention over patches of 2x2 pixels.

    Args:
        pool: `"token"`, the class token feeds the head, or `"mean"`.
        shape: Of the images.
        seed: Of the weights.
    """
    inputs = keras.Input(shape)
    x = layers.Conv2D(6, 2, strides=2, name="patches")(inputs)
    x = layers.Reshape((-1, 6))(x)
    if pool == "token":
        x = ClassToken(name="class_token")(x)
    for block in ("one", "two"):
        y = layers.LayerNormalization(name=f"{block}_norm")(x)
        y = layers.MultiHeadAttention(2, 3, name=f"{block}_attention")(y, y)
        x = layers.Add(name=f"{block}_sum")([x, y])
        y = layers.LayerNormalization(name=f"{block}_second_norm")(x)
        y = layers.Dense(8, "gelu", name=f"{block}_first_dense")(y)
        y = layers.Dense(6, name=f"{block}_second_dense")(y)
        x = layers.Add(name=f"{block}_output")([x, y])
    x = layers.LayerNormalization(name="final_norm")(x)
    x = x[:, 0] if pool == "token" else layers.GlobalAveragePooling1D()(x)
    outputs = layers.Dense(NUM_CLASSES, name="head")(x)
    return set_weights(keras.Model(inputs, outputs), seed)


def linear(seed=5, classes=NUM_CLASSES, shape=IMAGE_SHAPE, scale=1.0):
    """One dense layer: what attacks reach has a closed form."""
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            layers.Dense(classes, name="head"),
        ]
    )
    return set_weights(model, seed, scale)


def boundary_distances(model, images, labels, dual):
    """Distances of images to the boundaries of `linear`'s classes, in NumPy.

    Args:
        model: What `linear` returned.
        images: NumPy images.
        labels: The classes that the model predicts.
        dual: 2 for distances in l2, 1 for linf.

    Returns:
        `(batch, classes)`, infinite for the own class.
    """
    kernel, bias = (w.numpy() for w in model.weights)
    kernel = kernel.astype("float64")
    logits = images.reshape(len(images), -1) @ kernel + bias
    rows = np.arange(len(images))
    slopes = kernel[:, None, :] - kernel[:, labels][:, :, None]
    lengths = np.linalg.norm(slopes, ord=dual, axis=0)
    gaps = logits[rows, labels][:, None] - logits
    with np.errstate(invalid="ignore"):
        distances = gaps / lengths
    distances[rows, labels] = np.inf
    return distances


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Mask(layers.Layer):
    """Sets a share of the values to zero, in inference too; keeps the mean."""

    def __init__(self, rate, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs):
        return keras.random.dropout(inputs, self.rate, seed=self.seed_generator)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def masked_linear(rate, classes=2):
    """`linear` behind a random mask: its mean gradient is `linear`'s."""
    plain = linear(classes=classes)
    inputs = keras.Input(IMAGE_SHAPE)
    return keras.Model(inputs, plain(Mask(rate)(inputs))), plain
