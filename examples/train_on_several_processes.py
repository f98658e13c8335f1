"""Trains one model on two processes, and compares it with one process.

    KERAS_BACKEND=jax python examples/train_on_several_processes.py

`train` is what each process runs; on machines of your own, start it there with
the variables that `environment` sets here. Without a download, in about a
minute. TensorFlow and JAX can do it, and PyTorch from Keras 3.16 on.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

BACKEND = keras.backend.backend()
BATCH_SIZE = 64
# Sums are added up in another order. Rounding grows with each step: FGSM takes
# the sign of a gradient, so what is near zero turns into a whole step.
TOLERANCE = 1e-4


def connect():
    """Joins the other processes; returns the scope to build models in."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.distribute.MultiWorkerMirroredStrategy().scope()
    if BACKEND == "jax":
        import jax

        # On GPUs, leave this out.
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize()
    if BACKEND == "jax":
        # Each process passes its own images.
        parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(parallel)
    return contextlib.nullcontext()


def own_part(x, y, index, count):
    """The arguments of `fit` for the images of one process.

    The batches of all processes together are those of a single one.
    """
    if BACKEND == "tensorflow":  # It divides the batches by itself.
        return {"x": x, "y": y, "batch_size": BATCH_SIZE}
    return {
        "x": x[index::count],
        "y": y[index::count],
        "batch_size": BATCH_SIZE // count,
    }


def make_model(shape):
    base = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(8, 3, strides=2, activation="softplus"),
            layers.Conv2D(16, 3, strides=2, activation="softplus"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    # An attack that draws nothing, so that both ways can be compared. With a
    # random start, no two processes draw the same.
    model = kad.AttentionDefendedModel(
        base,
        kad.attacks.FGSM(4 / 255),
        rectification_weight=0.0,
        preservation_weight=1.0,  # Its gradient is a second derivative.
        validation_attack=None,
    )
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def train(index, count, steps, folder):
    """Trains as process `index` of `count`, and saves the weights."""
    scope = connect() if count > 1 else contextlib.nullcontext()
    data, _ = kad.datasets.load_digit_scenes(steps * BATCH_SIZE, 1)
    keras.utils.set_random_seed(0)
    with scope:
        model = make_model(data.images.shape[1:])
    start = model.base.get_weights()
    history = model.fit(
        **own_part(data.images, data.labels, index, count),
        shuffle=False,  # The order is another one on one process.
        verbose=0,
    )
    logs = {name: values[-1] for name, values in history.history.items()}
    logs["weights moved by"] = distance(model.base.get_weights(), start)
    (folder / f"{index}_of_{count}.json").write_text(json.dumps(logs))
    np.savez(folder / f"{index}_of_{count}.npz", *model.base.get_weights())


def distance(one, other):
    pairs = zip(one, other, strict=True)
    return float(max(np.abs(a - b).max() for a, b in pairs))


def environment(index, addresses):
    """What tells a process its number and where the others are."""
    task = {"type": "worker", "index": index}
    return {
        **os.environ,
        "TF_CONFIG": json.dumps(
            {"cluster": {"worker": addresses}, "task": task}
        ),
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(addresses),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(addresses)),
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        # XLA's threads: with as few as devices, a CPU can wait for ever.
        "NPROC": "16",
    }


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]


def run_together(count, steps, folder):
    """Starts so many processes of this file, and waits for them.

    Returns:
        The weights that each has in the end.
    """
    addresses = free_addresses(count)
    given = [str(count), "--steps", str(steps), "--folder", folder]
    with contextlib.ExitStack() as stack:
        processes = []
        for index in range(count):
            process = subprocess.Popen(
                [sys.executable, __file__, "--process", str(index), *given],
                env=environment(index, addresses) if count > 1 else None,
            )
            stack.callback(process.kill)
            processes.append(process)
        if any([process.wait() for process in processes]):
            raise SystemExit("A process failed; its message is above.")
    found = []
    for index in range(count):
        with np.load(folder / f"{index}_of_{count}.npz") as file:
            found.append([file[name] for name in file.files])
    return found


def check_supported():
    version = tuple(map(int, keras.version().split(".")[:2]))
    if BACKEND == "torch" and version < (3, 16):
        raise SystemExit(
            f"On PyTorch, `fit` of Keras {keras.version()} trains each process "
            "by itself; from 3.16 on they exchange gradients. Set "
            "KERAS_BACKEND=jax or tensorflow, or `pip install keras-nightly`."
        )


def compare(steps, folder):
    """Prints the logs of both ways, and how far apart the weights are."""
    first, second = run_together(2, steps, folder)
    (alone,) = run_together(1, steps, folder)
    logs = [
        json.loads((folder / f"0_of_{count}.json").read_text())
        for count in (1, 2)
    ]
    print(f"{BACKEND}, {steps} steps of {BATCH_SIZE} images")
    print(f"{'':<22}{'one process':>15}{'two processes':>15}")
    for name, value in logs[0].items():
        print(f"{name:<22}{value:>15.6f}{logs[1][name]:>15.6f}")
    apart = distance(first, second)
    if apart > 0:
        raise SystemExit(f"Weights of the two processes differ by {apart:.1e}.")
    apart = distance(first, alone)
    print(f"{'difference of weights':<37}{apart:>15.1e}")
    if not apart <= TOLERANCE:
        raise SystemExit(f"They do not agree to {TOLERANCE:.0e}.")
    print(f"They agree to {TOLERANCE:.0e}.")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--process", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        train(*arguments.process, arguments.steps, arguments.folder)
        return
    check_supported()
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments.steps, pathlib.Path(folder))


if __name__ == "__main__":
    main()
