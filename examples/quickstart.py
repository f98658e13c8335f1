"""Trains one small network three ways, and attacks all three.

The same ResNet, from the same initial weights and on the same budget, is
trained plainly, with adversarial training, and with attention losses on top
of it. Each network is attacked, saved and loaded again, and a picture shows
what the attack does to its attention. At the end a table compares the three.

    python examples/quickstart.py
    KERAS_BACKEND=jax python examples/quickstart.py --data cifar10 --epochs 30
"""

import argparse
import pathlib

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

BATCH_SIZE = 64
LEARNING_RATE = 8e-3
WITHOUT_ATTENTION = {"rectification_weight": 0, "preservation_weight": 0}
# By name: the file to save to, and arguments of `AttentionDefendedModel`.
DEFENSES = {
    "plain training": ("plain", None),
    "adversarial training": ("adversarial", WITHOUT_ATTENTION),
    "attention defense": ("defended", {}),
}


def parse_options():
    """Reads the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
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
        help="folder for the pictures and the models (default: %(default)s)",
    )
    return parser.parse_args()


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
    """Adds a convolution and batch normalization."""
    x = layers.Conv2D(filters, size, strides, "same", use_bias=False)(x)
    # Training is short: the statistics have to follow the weights quickly.
    return layers.BatchNormalization(momentum=0.9)(x)


def residual_block(x, filters, strides):
    """Adds two convolutions and a shortcut past them."""
    residual = layers.Activation("relu")(convolution(x, filters, 3, strides))
    residual = convolution(residual, filters)
    if strides != 1 or x.shape[-1] != filters:
        x = convolution(x, filters, 1, strides)
    return layers.Activation("relu")(layers.add([x, residual]))


def build_network(input_shape, num_classes):
    """Builds a ResNet of 79,000 weights; 32x32 images give 8x8 maps."""
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


def evaluate(network, data, name):
    """Attacks a network with FGSM and PGD, and prints how it fares.

    Args:
        network: A Keras classifier.
        data: Test data, an `ImageSplit`.
        name: What the report calls the network.

    Returns:
        The report of `kad.evaluate_robustness`.
    """
    report = kad.evaluate_robustness(
        network,
        data.images,
        data.labels,
        attacks={"FGSM": kad.attacks.FGSM(), "PGD-20": pgd()},
        epsilons=[8 / 255],
        batch_size=200,
        name=name,
        # They take another quarter of a minute for each network.
        checks=False,
    )
    report.summary()
    return report


def pgd():
    """The attack of the table and of the pictures."""
    return kad.attacks.PGD(steps=20, seed=0)


def print_table(reports):
    """Prints accuracies, one row for each network, as Markdown."""
    first = next(iter(reports.values()))
    columns = [line.attack for line in first.rows[:-1]]
    heading = f"accuracy on {first.num_images} test images"
    print("\n| " + " | ".join([heading, *columns]) + " |")
    print("| --- " * (1 + len(columns)) + "|")
    for name, report in reports.items():
        values = [f"{100 * line.accuracy:.1f} %" for line in report.rows[:-1]]
        print("| " + " | ".join([name, *values]) + " |")


def draw_attack(network, data, path):
    """Draws what PGD does to three images and to the attention to them."""
    figure = kad.visualization.attack_figure(
        network,
        data.images,
        data.labels,
        pgd(),
        boxes=data.boxes,
        max_images=3,
    )
    figure.savefig(path, dpi=100)
    print(f"{path}: three images, attacked, and what the network looks at")


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
    """Trains, attacks, saves and draws, and ends with a table."""
    train, test = load_data(options.data, options.limit)
    options.out.mkdir(parents=True, exist_ok=True)
    reports = {}
    for name, (file, defense) in DEFENSES.items():
        print(f"\n{name.capitalize()}")
        model = train_network(train, defense, options.epochs, options.seed)
        network = getattr(model, "base", model)
        reports[name] = evaluate(network, test, name)
        check_saving(model, test.images, options.out / f"{file}.keras")
        draw_attack(network, test, options.out / f"{file}.png")
    print_table(reports)


if __name__ == "__main__":
    main(parse_options())
