"""Trains one small network three ways, and attacks all three.

The same ResNet, from the same initial weights and on the same budget, is
trained plainly, with adversarial training, and with attention losses on top
of it. Then a table compares their accuracy on attacked test images, a picture
shows what they look at, and the three are saved and loaded again.

    python examples/quickstart.py
    python examples/quickstart.py --backend jax --data cifar10 --epochs 30
"""

import argparse
import os
import pathlib


def parse_options():
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
    option(
        "--backend",
        choices=["tensorflow", "jax", "torch"],
        default="tensorflow",
        help="what Keras runs on (default: %(default)s)",
    )
    option(
        "--data",
        default="digits",
        help="digits (made on the spot), cifar10, mnist, or the path of an "
        ".npz file with x_train, y_train, x_test and y_test (default: "
        "%(default)s)",
    )
    option("--epochs", type=int, default=10, help="default: %(default)s")
    option("--limit", type=int, help="training images, 64 at least")
    option("--seed", type=int, default=0, help="default: %(default)s")
    option(
        "--out",
        type=pathlib.Path,
        default="out",
        help="folder for the picture and the models (default: %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    # Keras reads this once, when it is imported.
    os.environ["KERAS_BACKEND"] = parse_options().backend

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402
from quickstart_figure import draw_attention  # noqa: E402

import keras_attn_defense as kad  # noqa: E402

BATCH_SIZE = 64
LEARNING_RATE = 8e-3
WITHOUT_ATTENTION = {"rectification_weight": 0, "preservation_weight": 0}
DEFENSES = {
    "plain training": None,
    "adversarial training": WITHOUT_ATTENTION,
    "attention defense": {},
}
FILES = {
    "plain training": "plain.keras",
    "adversarial training": "adversarial.keras",
    "attention defense": "defended.keras",
}


def load_data(name, limit=None):
    """Loads `(train, test)`, with whole batches of training images only."""
    loaders = {
        "digits": kad.datasets.load_digit_scenes,
        "cifar10": kad.datasets.load_cifar10,
        "mnist": kad.datasets.load_mnist,
    }
    if name in loaders:
        train, test = loaders[name]()
    else:
        train, test = kad.datasets.load_npz(name)
    size = len(train.images[:limit]) // BATCH_SIZE * BATCH_SIZE
    if not size:
        raise SystemExit(f"Expected at least {BATCH_SIZE} training images.")
    images, labels = train.images[:size], train.labels[:size]
    return kad.datasets.ImageSplit(images, labels), test


def convolution(x, filters, size=3, strides=1):
    """A convolution, normalised."""
    x = layers.Conv2D(filters, size, strides, "same", use_bias=False)(x)
    # A short training: statistics have to follow the weights quickly.
    return layers.BatchNormalization(momentum=0.9)(x)


def residual_block(x, filters, strides):
    """Two convolutions, and a shortcut past them."""
    residual = layers.Activation("relu")(convolution(x, filters, 3, strides))
    residual = convolution(residual, filters)
    if strides != 1 or x.shape[-1] != filters:
        x = convolution(x, filters, 1, strides)
    return layers.Activation("relu")(layers.add([x, residual]))


def build_network(input_shape, num_classes):
    """A ResNet of 79,000 weights; images of 32x32 give maps of 8x8."""
    inputs = keras.Input(input_shape)
    x = layers.Activation("relu")(convolution(inputs, 16, strides=2))
    for filters, strides in ((16, 1), (32, 2), (64, 1)):
        x = residual_block(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(num_classes, activation="softmax")(x)
    return keras.Model(inputs, outputs)


def train_network(data, defense, epochs, seed):
    """Trains a new network; equal seeds give equal initial weights.

    Args:
        data: Training data, an `ImageSplit`.
        defense: Arguments of `AttentionDefendedModel`, or None for none.
        epochs: Number of epochs.
        seed: Seed of the initial weights and of all that is random.

    Returns:
        The trained network, or the defended model around it.
    """
    keras.utils.set_random_seed(seed)
    model = build_network(data.images.shape[1:], int(data.labels.max()) + 1)
    if defense is not None:
        model = kad.AttentionDefendedModel(model, **defense)
    steps = epochs * len(data.images) // BATCH_SIZE
    rise = steps // 5
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - rise, warmup_target=LEARNING_RATE, warmup_steps=rise
    )
    model.compile(
        keras.optimizers.Adam(schedule),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(data.images, data.labels, batch_size=BATCH_SIZE, epochs=epochs)
    return model


def measure_accuracy(network, data):
    """Accuracy on clean images, and on images attacked with 8/255."""
    attacks = {"FGSM": kad.attacks.FGSM(), "PGD-20": kad.attacks.PGD(steps=20)}
    accuracy = {}
    for name, attack in attacks.items():
        model = kad.AttentionDefendedModel(
            network, validation_attack=attack, **WITHOUT_ATTENTION
        )
        logs = model.evaluate(
            data.images, data.labels, batch_size=200, return_dict=True
        )
        accuracy["clean"] = logs["accuracy"]
        accuracy[name] = logs["robust_accuracy"]
    return accuracy


def print_table(rows):
    """Prints one row of accuracies for each network."""
    columns = list(next(iter(rows.values())))
    print("\nAccuracy on test images" + "".join(f"{c:>9}" for c in columns))
    for name, accuracy in rows.items():
        values = "".join(f"{accuracy[c]:>9.1%}" for c in columns)
        print(f"{name:<23}{values}")


def check_saving(model, images, path):
    """Saves a model, loads it again and compares their predictions."""
    model.save(path)
    loaded = keras.saving.load_model(path)
    before = model.predict(images, verbose=0)
    after = loaded.predict(images, verbose=0)
    if not np.allclose(before, after, atol=1e-6):
        raise RuntimeError(f"{path} predicts differently after loading.")
    print(f"{path}: loaded again, predictions are equal")


def main(options):
    """Trains, measures, draws and saves."""
    train, test = load_data(options.data, options.limit)
    epochs, seed, models, rows = options.epochs, options.seed, {}, {}
    for name, defense in DEFENSES.items():
        print(f"\n{name.capitalize()}")
        models[name] = train_network(train, defense, epochs, seed)
    networks = {name: getattr(m, "base", m) for name, m in models.items()}
    for name, network in networks.items():
        print(f"\nAttacks on: {name}")
        rows[name] = measure_accuracy(network, test)
    print_table(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    captions = {
        n: f"PGD-20 accuracy {r['PGD-20']:.0%}" for n, r in rows.items()
    }
    picture = options.out / "quickstart.png"
    draw_attention(networks, captions, test, picture)
    print(f"\n{picture}: what the networks look at")
    for name, file in FILES.items():
        check_saving(models[name], test.images, options.out / file)


if __name__ == "__main__":
    main(parse_options())
