"""Models that only look robust, built around a plainly trained network.

Each of them classifies clean images as the network does (or nearly so), and
hides from attacks what moves them. How robust it is at most is known from
above: adversarial images of the network inside, tried on it.
"""

import pathlib

import keras
import numpy as np
from keras import layers
from keras import ops

import keras_attn_defense as kad
from keras_attn_defense._backend import vjp

WEIGHTS = pathlib.Path(__file__).with_name("fake_defenses.npz")
EPSILON = 8 / 255
IMAGE_SHAPE = (24, 24, 3)
_register = keras.saving.register_keras_serializable("keras_attn_defense_tests")

#: Functions of the network that return a fake defense, by name.
FAKES = {}


def fake(function):
    """Function decorator: adds a fake defense."""
    FAKES[function.__name__] = function
    return function


def images_and_labels(count):
    """Digit scenes that the network inside was not trained on."""
    _, test = kad.datasets.load_digit_scenes(10, 500, image_size=24)
    return test.images[:count], test.labels[:count]


def architecture():
    """The network inside, without weights."""
    inputs = keras.Input(IMAGE_SHAPE)
    x = inputs
    for number, filters in enumerate((8, 16, 24), 1):
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            name=f"conv_{number}",
        )(x)
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(10, name="logits")(x), name="plain")


def plain():
    """The network inside: 77 % of clean scenes, 4 % at 8/255."""
    model = architecture()
    with np.load(WEIGHTS) as file:
        model.set_weights([file[f"arr_{i}"] for i in range(len(file.files))])
    return model


def transferred(network, images, labels):
    """Adversarial images of the network inside, a list of batches.

    Args:
        network: The network inside.
        images: NumPy images.
        labels: Their class indices.
    """
    attacks = [
        kad.attacks.PGD(EPSILON, steps=40, seed=1),
        kad.attacks.PGD(EPSILON, steps=40, seed=2, objective="margin"),
        kad.attacks.PGD(EPSILON, steps=20, seed=3, objective="dlr"),
    ]
    found = [attack.run(network, images, labels).images for attack in attacks]
    return found + [_on_levels(x_adv, images) for x_adv in found]


def upper_bound(model, candidates, labels):
    """The share of images that transferred attacks leave.

    Args:
        model: The fake defense.
        candidates: What `transferred` returned.
        labels: The class indices.
    """
    standing = [right(model, candidate, labels) for candidate in candidates]
    return float(np.min(standing, axis=0).mean())


def right(model, images, labels, draws=5):
    """How often each image is classified correctly, the mean of some calls."""
    found = []
    for _ in range(draws):
        outputs = model(ops.convert_to_tensor(images))
        logits = np.asarray(ops.convert_to_numpy(outputs))
        found.append(logits.argmax(-1) == labels)
    return np.mean(found, axis=0)


def _on_levels(x_adv, images):
    return (images + np.trunc((x_adv - images) * 255.001) / 255).astype(
        "float32"
    )


def after(network, layer):
    """The network with a layer behind its logits."""
    return keras.Model(network.inputs, layer(network.outputs[0]))


def before(network, layer):
    """The network with a layer in front of its images."""
    inputs = keras.Input(IMAGE_SHAPE)
    return keras.Model(inputs, network(layer(inputs)))


def rebuilt(network, activation):
    """The network with another activation in place of ReLU."""
    model = keras.models.clone_model(network)
    model.set_weights(network.get_weights())
    inputs = x = keras.Input(IMAGE_SHAPE)
    for layer in model.layers[1:]:
        if hasattr(layer, "activation") and "conv" in layer.name:
            layer.activation = keras.activations.linear
            x = activation(layer(x))
        else:
            x = layer(x)
    return keras.Model(inputs, x)


class Behavior(layers.Layer):
    """A layer that is a function of its input."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.seed_generator = keras.random.SeedGenerator(3)
        self.built = True

    def call(self, x):
        if self.function.__code__.co_argcount == 1:
            return self.function(x)
        return self.function(x, self.seed_generator)


def straight_through(values, slope_of):
    """`values`, with the gradient of `slope_of`."""
    return ops.stop_gradient(values - slope_of) + slope_of


def between_levels(x):
    """Which images do not lie on the 256 levels of a byte."""
    levels = x * 255.0
    off = ops.abs(levels - ops.round(levels)) > 0.02
    return ops.any(off, axis=(1, 2, 3), keepdims=True)


# --- Layers behind the logits.


def top_only_logits(z):
    top = ops.max(z, axis=-1, keepdims=True)
    return ops.where(z >= top, 5.0, -5.0 + 1e-6 * z)


@fake
def top_only(network):
    """The predicted class gets 5, all others nearly -5."""
    return after(network, Behavior(top_only_logits))


@fake
def top_only_function(network):
    """The same as a plain function, whose layers nobody knows."""
    return lambda images: top_only_logits(network(images))


@fake
def soft_top_only(network):
    """The others keep a tenth of their logits."""

    def logits(z):
        top = ops.max(z, axis=-1, keepdims=True)
        return ops.where(z >= top, 5.0, -5.0 + 0.1 * z)

    return after(network, Behavior(logits))


@fake
def huge_logits(network):
    return after(network, Behavior(lambda z: 1e3 * z))


@fake
def big_logits_function(network):
    return lambda images: 100.0 * network(images)


@fake
def softmax_behind(network):
    """Probabilities, sharpened, in place of logits."""
    return after(network, Behavior(lambda z: ops.softmax(100.0 * z)))


@fake
def hard_decision(network):
    """One-hot outputs: no gradient at all."""

    def logits(z):
        return ops.one_hot(ops.argmax(z, axis=-1), 10, dtype="float32")

    return after(network, Behavior(logits))


@fake
def rounded_logits(network):
    return after(network, Behavior(lambda z: ops.round(z)))


@fake
def coarse_logits_by_an_offset(network):
    """A large constant takes the digits behind the point away."""
    return after(network, Behavior(lambda z: (z + 4e6) - 4e6))


@fake
def clipped_logits(network):
    """Flat where the network is sure."""
    return after(network, Behavior(lambda z: ops.clip(z, -2.0, 2.0) + 1e-5 * z))


@fake
def saturated_logits(network):
    return after(network, Behavior(lambda z: ops.tanh(z) + 1e-4 * z))


@fake
def stairs_behind(network):
    """Grows with the logit, but stands still at every step."""

    def logits(z):
        return z - ops.sin(2 * np.pi * 4 * z) / (2 * np.pi * 4)

    return after(network, Behavior(logits))


@fake
def top_without_gradient(network):
    """The gradient of the predicted class is cut."""

    def logits(z):
        top = ops.max(z, axis=-1, keepdims=True)
        return ops.where(z >= top, ops.stop_gradient(z), z)

    return after(network, Behavior(logits))


@fake
def offset_by_the_batch(network):
    """Logits less their mean over the batch."""

    def logits(z):
        return z - ops.mean(z, axis=0, keepdims=True)

    return after(network, Behavior(logits))


@fake
def vote_of_the_batch(network):
    """Each image gets some of its neighbor's logits."""
    return after(
        network, Behavior(lambda z: 0.7 * z + 0.3 * ops.roll(z, 1, axis=0))
    )


@fake
def noisy_logits(network):
    def logits(z, seed):
        return z + keras.random.normal(ops.shape(z), stddev=2.0, seed=seed)

    return after(network, Behavior(logits))


# --- Layers in front of the images.


@fake
def quantized(network):
    """Eight levels of each color."""
    return before(network, Behavior(lambda x: ops.round(x * 7.0) / 7.0))


@fake
def quantized_with_a_wrong_slope(network):
    """Eight levels, differentiated as the square of the image."""

    def images(x):
        return straight_through(ops.round(x * 7.0) / 7.0, (x - 0.5) ** 2)

    return before(network, Behavior(images))


@fake
def smooth_stairs(network):
    """Continuous levels, flat on each of them."""

    def images(x):
        stairs = x - ops.sin(2 * np.pi * 7 * x) / (2 * np.pi * 7)
        return stairs - ops.sin(2 * np.pi * 7 * stairs) / (2 * np.pi * 7)

    return before(network, Behavior(images))


@fake
def without_gradient(network):
    return before(network, Behavior(lambda x: ops.stop_gradient(x)))


@fake
def flipped_gradient(network):
    """The gradient points the wrong way."""
    return before(network, Behavior(lambda x: straight_through(x, -x)))


@fake
def shifted_gradient(network):
    """The gradient belongs to other pixels."""

    def images(x):
        return straight_through(x, ops.roll(x, 5, axis=2))

    return before(network, Behavior(images))


@fake
def scrambled_signs(network):
    """Every second gradient is flipped, in a fixed random pattern."""
    generator = np.random.default_rng(0)
    signs = generator.choice([-1.0, 1.0], IMAGE_SHAPE)
    signs = ops.convert_to_tensor(signs, "float32")
    return before(network, Behavior(lambda x: straight_through(x, x * signs)))


@fake
def decoy_gradient(network):
    """Values of one network, the gradient of another."""
    decoy = keras.models.clone_model(network)
    keras.utils.set_random_seed(5)
    decoy.set_weights(
        [
            np.random.default_rng(5).normal(0, 0.1, w.shape)
            for w in network.weights
        ]
    )
    return lambda images: straight_through(network(images), decoy(images))


@fake
def ripples(network):
    """Waves of a tenth of epsilon, steep enough to shatter the gradient."""

    def images(x):
        return x + 0.006 * ops.sin(2 * np.pi * x / 0.004)

    return before(network, Behavior(images))


@fake
def ripples_function(network):
    return lambda images: network(
        images + 0.006 * ops.sin(2 * np.pi * images / 0.004)
    )


@fake
def noise(network):
    def images(x, seed):
        return x + keras.random.normal(ops.shape(x), stddev=0.1, seed=seed)

    return before(network, Behavior(images))


@fake
def rare_noise(network):
    """Noise in 15 % of the calls."""

    def images(x, seed):
        noise = keras.random.normal(ops.shape(x), stddev=0.1, seed=seed)
        happens = keras.random.uniform((), seed=seed) < 0.15
        return x + ops.where(happens, noise, 0.0)

    return before(network, Behavior(images))


@fake
def noise_between_levels(network):
    """Noise only for images that are not on the 256 levels of a byte."""

    def images(x, seed):
        between = between_levels(x)
        noise = keras.random.normal(ops.shape(x), stddev=0.1, seed=seed)
        return x + ops.where(between, noise, 0.0)

    return before(network, Behavior(images))


@fake
def blur_between_levels(network):
    """Images that are not on the levels of a byte are blurred and rounded."""

    def images(x):
        between = between_levels(x)
        mean = (ops.roll(x, 1, 1) + ops.roll(x, -1, 1) + 2 * x) / 4
        mean = (ops.roll(mean, 1, 2) + ops.roll(mean, -1, 2) + 2 * mean) / 4
        return ops.where(between, ops.round(mean * 31.0) / 31.0, x)

    return before(network, Behavior(images))


@fake
def noise_from_the_image(network):
    """Noise whose seed is the image: the same each time, and chaotic."""

    def images(x):
        key = ops.sum(x, axis=(1, 2, 3), keepdims=True) * 1e3
        grid = ops.reshape(
            ops.arange(x.shape[1] * x.shape[2] * 3), (1, 24, 24, 3)
        )
        phase = ops.cast(grid, "float32") * 12.9898 + key
        noise = ops.sin(phase) * 43758.547
        return x + 0.15 * (noise - ops.floor(noise) - 0.5)

    return before(network, Behavior(images))


@fake
def random_shift(network):
    """Moves the image by up to three pixels."""

    def images(x, seed):
        shift = keras.random.randint((2,), -3, 4, seed=seed)
        x = ops.take(x, (ops.arange(24) + shift[0]) % 24, axis=1)
        return ops.take(x, (ops.arange(24) + shift[1]) % 24, axis=2)

    return before(network, Behavior(images))


@fake
def jpeg(network):
    """Rounds the frequencies of blocks of 8x8."""
    i = np.arange(8)
    basis = np.cos((2 * i[None] + 1) * i[:, None] * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    basis = ops.convert_to_tensor(basis, "float32")
    table = ops.convert_to_tensor(0.015 * (1 + i[:, None] + i), "float32")

    def images(x):
        shape = (-1, 3, 8, 3, 8, 3)
        blocks = ops.transpose(ops.reshape(x, shape), (0, 1, 3, 5, 2, 4))
        waves = ops.matmul(ops.matmul(basis, blocks), ops.transpose(basis))
        waves = ops.round(waves / table) * table
        blocks = ops.matmul(ops.matmul(ops.transpose(basis), waves), basis)
        return ops.reshape(
            ops.transpose(blocks, (0, 1, 4, 2, 5, 3)), (-1, 24, 24, 3)
        )

    return before(network, Behavior(images))


@fake
def smoothed_at_inference(network):
    """Purification by gradient steps that an attack does not see."""

    def images(x):
        def roughness(x):
            return ops.sum(
                ops.square(x - ops.roll(x, 1, 1)), axis=(1, 2, 3)
            ) + ops.sum(ops.square(x - ops.roll(x, 1, 2)), axis=(1, 2, 3))

        start = ops.stop_gradient(x)
        values, pullback = vjp(roughness, start)
        cleaner = start - 0.1 * pullback(ops.ones_like(values))
        return straight_through(ops.round(cleaner * 31) / 31, x * x)

    return before(network, Behavior(images))


# --- Inside.


@fake
def k_winners(network):
    """Only the largest fifth of the activations passes."""

    def activation(x):
        flat = ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))
        count = max(int(flat.shape[1] * 0.2), 1)
        least = ops.top_k(flat, count)[0][:, -1]
        return ops.where(x >= least[:, None, None, None], ops.relu(x), 0.0)

    return rebuilt(network, Behavior(activation))


@fake
def dropout_at_inference(network):
    def activation(x, seed):
        return keras.random.dropout(ops.relu(x), 0.2, seed=seed)

    return rebuilt(network, Behavior(activation))


@fake
def steep_activation(network):
    """ReLU whose gradient is that of a saturated sigmoid."""

    def activation(x):
        return straight_through(ops.relu(x), ops.sigmoid(20.0 * x))

    return rebuilt(network, Behavior(activation))


@fake
def random_mixture(network):
    """Each call takes one of two differently shifted networks."""

    def logits(z, seed):
        first = keras.random.uniform((), seed=seed) < 0.5
        return ops.where(first, z, z + 3 * ops.roll(ops.sin(z), 1, axis=-1))

    return after(network, Behavior(logits))
