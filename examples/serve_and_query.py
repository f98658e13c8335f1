"""From a defended model to a server, to a client's picture, to a new version.

Trains a small network (or loads one), exports it with attention maps and
preprocessing built in, serves it, asks for predictions and maps over REST with
a client that knows neither Keras nor TensorFlow, draws them, and swaps in a
second version. About a minute on TensorFlow and JAX.

    python examples/serve_and_query.py
    KERAS_BACKEND=jax python examples/serve_and_query.py
    python examples/serve_and_query.py --model out/defended.keras
    python examples/serve_and_query.py --url http://localhost:8501

Without `--url` the server is `serving/twin.py`, which speaks like TensorFlow
Serving. With it, serve the folder `served` yourself, `serving/compose.yaml`
for example, with the name "served".
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
from keras import layers
from serving.client import ServingClient

import keras_attn_defense as kad

TWIN = pathlib.Path(__file__).with_name("serving") / "twin.py"


def parse_options():
    """Reads the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    option = parser.add_argument
    option("--model", help="a .keras file, such as quickstart.py writes")
    option("--url", help="of a server that serves the folder `served`")
    option("--epochs", type=int, default=6, help="default: %(default)s")
    option(
        "--out",
        type=pathlib.Path,
        default="out",
        help="folder for the versions and the picture (default: %(default)s)",
    )
    return parser.parse_args()


def build_model(shape):
    """A small network with an adversarial training of one step."""
    network = keras.Sequential([keras.Input(shape)])
    for filters, strides in ((16, 2), (32, 2), (64, 1), (64, 1)):
        network.add(layers.Conv2D(filters, 3, strides, "same", use_bias=False))
        network.add(layers.BatchNormalization(momentum=0.9))
        network.add(layers.ReLU())
    network.add(layers.GlobalAveragePooling2D())
    network.add(layers.Dense(10, activation="softmax"))
    model = kad.AttentionDefendedModel(
        network, attack=kad.attacks.FGSM(4 / 255)
    )
    model.compile(
        keras.optimizers.Adam(8e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def train(model, data, epochs):
    """Trains for some epochs."""
    model.fit(data.images, data.labels, batch_size=64, epochs=epochs, verbose=2)


def export(model, folder):
    """Writes the next version; returns its number."""
    folder.mkdir(parents=True, exist_ok=True)
    versions = [int(p.name) for p in folder.iterdir() if p.name.isdigit()]
    version = max(versions, default=0) + 1
    path = folder / str(version)
    kad.export(model, path, explain=True, preprocess=True)
    print(f"{path}: exported")
    return version


@contextlib.contextmanager
def serving(folder):
    """The address of a server of our own, while the context lasts."""
    command = [sys.executable, TWIN, folder, "--port=0", "--grpc-port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            yield json.loads(server.stdout.readline())["rest"]
        finally:
            server.kill()


def draw(client, data, path):
    """Asks for the attention to a few images and draws it."""
    answer = client.predict(data.images[:6], "explain")
    figure = kad.visualization.attention_figure(
        data.images[:6],
        answer["attention_map"],
        data.labels[:6],
        predictions=answer["predictions"].argmax(-1),
        confidences=answer["predictions"].max(-1),
    )
    figure.savefig(path)
    print(f"{path}: what the served model looks at")


def accuracy(client, data):
    """Accuracy of what the server answers."""
    predictions = client.predict(data.images)["predictions"]
    return np.mean(predictions.argmax(-1) == data.labels)


def main(options):
    """Exports, serves, asks, draws and swaps."""
    training, test = kad.datasets.load_digit_scenes()
    # What a camera or a browser would send.
    images = np.round(255 * test.images[:128]).astype("uint8")
    test = kad.datasets.ImageSplit(images, test.labels[:128])
    if options.model:
        model = keras.saving.load_model(options.model)
    else:
        model = build_model(training.images.shape[1:])
        train(model, training, options.epochs)
    folder = options.out / "served"
    first = export(model, folder)
    with contextlib.ExitStack() as stack:
        url = options.url or stack.enter_context(serving(folder))
        client = ServingClient(url, folder.name)
        client.wait(first)
        print(f"version {first}: accuracy {accuracy(client, test):.1%}")
        draw(client, test, options.out / "served.png")
        if not options.model:
            train(model, training, 1)
        second = export(model, folder)
        client.wait(second)
        print(f"version {second}: accuracy {accuracy(client, test):.1%}")


if __name__ == "__main__":
    main(parse_options())
