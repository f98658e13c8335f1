"""
Title: Train on several devices
Author: The keras_attn_defense authors
Date created: 2026/11/23
Last modified: 2026/11/26
Description: Divide each batch among processes or among devices of one process, check that the numbers are those of one device, and know the limits.
Accelerator: None
"""

"""
## Introduction

Adversarial training costs several times as much as plain training, so more devices
are welcome. Data parallelism is the simplest way to use them: each device has the
whole model and a part of every batch. It crafts the adversarial images of its part,
and gradients are averaged over all devices. `AttentionDefendedModel` does this inside
Keras' own training step, so you use Keras' own distribution, in one of two ways:

- *Several processes*, one for each device, on one machine or on many: on JAX, on
  TensorFlow, and on PyTorch from Keras 3.16 on.
- *Several devices of one process*, on one machine: on JAX and TensorFlow.

The guide trains one model three times, on one CPU: in two processes, on two devices of
one process, and on a single device. Two of anything are not faster here, since they
share the same cores, but the numbers show that all three are the same training. It
runs anywhere, in a few minutes, without a download.

## Setup
"""

import json
import os
import pathlib
import socket
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import keras_attn_defense as kad

backend = keras.backend.backend()

"""
Processes share nothing but files, so the images go into one. The devices share each
batch equally: of 64 images, each of two gets 32. A batch that cannot be divided is an
error, so we keep whole batches only. What counts for the training is the whole batch:
more devices are kept busy by a larger one, and then the learning rate has to be tuned
again.

For CIFAR-10, change the first line to `kad.datasets.load_cifar10()`.
"""

train, test = kad.datasets.load_digit_scenes()

size = len(train.images) // 64 * 64
np.savez("train.npz", x=train.images[:size], y=train.labels[:size])
print(f"{size} of {len(train.images)} images, {size // 64} batches")

"""
## What each process runs

All processes run the same program. Three things in it are about distribution:

- `distributed` comes before anything is computed. It joins the other processes, and
  returns the scope in which everything is built: the network, the defended model around
  it, and the optimizer.
- `own_part` are the images of one process. On TensorFlow each process passes all of
  them, and TensorFlow divides the batches by itself.
- Files need no `if`: only the first process writes the log and the model. (The weights
  are written by each, since we want to compare them.)
"""

program = """
import contextlib
import sys

import keras
import numpy as np
from keras import layers

import keras_attn_defense as kad

backend = keras.backend.backend()
way, index, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def distributed():
    if way == "alone":
        return contextlib.nullcontext()
    if backend == "tensorflow":
        return strategy().scope()
    if way == "processes":
        if backend == "jax":  # On CPUs only.
            import jax

            jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize()
    if backend == "jax":
        parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(parallel)
    return contextlib.nullcontext()


def strategy():
    import tensorflow as tf

    if way == "processes":
        return tf.distribute.MultiWorkerMirroredStrategy()
    # With GPUs, leave out the names, and what makes two devices of a CPU.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def own_part(x, y):
    if backend == "tensorflow":
        return {"x": x, "y": y, "batch_size": 64}
    return {
        "x": x[index::count], "y": y[index::count], "batch_size": 64 // count
    }


def block(x, filters, strides):
    x = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    x = layers.BatchNormalization(
        momentum=0.9, synchronized=backend == "tensorflow"
    )(x)
    return layers.ReLU()(x)


def make_model(shape):
    inputs = keras.Input(shape)
    x = block(inputs, 16, strides=2)
    x = block(x, 32, strides=2)
    x = block(x, 64, strides=1)
    x = layers.GlobalAveragePooling2D()(x)
    model = kad.AttentionDefendedModel(
        keras.Model(inputs, layers.Dense(10)(x)),
        attack=kad.attacks.FGSM(epsilon=4 / 255),
        validation_attack=None,
    )
    model.compile(
        keras.optimizers.Adam(8e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


scope = distributed()
keras.utils.set_random_seed(0)
with np.load("train.npz") as data:
    x, y = data["x"], data["y"]
with scope:
    model = make_model(x.shape[1:])
model.fit(
    **own_part(x, y),
    epochs=4,
    shuffle=False,
    verbose=0,
    callbacks=[kad.callbacks.TrainingLog(f"{way}.jsonl")],
)
model.save(f"{way}.keras")
np.savez(f"{way}-{index}.npz", *model.base.get_weights())
"""
with open("train.py", "w") as file:
    file.write(program)

"""
`BatchNormalization` is where one device and several may differ. On JAX its statistics
are those of the whole batch. On TensorFlow they are those of each device's part, unless
`synchronized=True` says otherwise; only TensorFlow has that argument. On PyTorch they
are those of each process. Statistics of the parts are not a mistake, but the numbers
then differ. So they do when an attack starts at random: here it is FGSM, which draws
nothing.

A real training also wants `kad.callbacks.Resume`, with which it goes on after a kill,
and `RobustCheckpoint`; both are used as in a single process.

## Start the processes

Variables of the environment tell each process its number, and where the others are:
`TF_CONFIG` on TensorFlow, and Keras' own on JAX and PyTorch. On machines of your own,
set them there and start `train.py` on each; on a cluster, its scheduler does. Devices of
one process need none of this, but on JAX a CPU has to be told to be two. (`NPROC` gives
XLA enough threads: on two cores there would be two, and devices of a CPU that wait for
each other could then wait forever.)
"""


def free_addresses(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def environment(index, addresses):
    task = {"type": "worker", "index": index}
    return {
        "TF_CONFIG": json.dumps(
            {"cluster": {"worker": addresses}, "task": task}
        ),
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(addresses),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(addresses)),
        "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
    }


def run(way, count=1):
    addresses = free_addresses(count)
    processes = []
    for index in range(count):
        variables = {**os.environ, "NPROC": "16"}
        if way == "processes":
            variables |= environment(index, addresses)
        if way == "devices":
            variables["JAX_NUM_CPU_DEVICES"] = "2"
        command = [sys.executable, "train.py", way, str(index), str(count)]
        processes.append(subprocess.Popen(command, env=variables))
    if any([each.wait() for each in processes]):
        raise RuntimeError(f"{way}: a process failed.")


ways = ["alone"]
run("alone")
if backend != "torch" or hasattr(keras.Model, "_initialize_ddp"):
    ways.append("processes")
    run("processes", 2)
if backend != "torch":
    ways.append("devices")
    run("devices")

"""
## Are they the same?

Each device crafts the same images that a single device would have crafted, and the mean
of the gradients is the gradient of the whole batch. What remains is rounding: sums are
added up in another order, and training lets small differences grow.
"""


def read_log(way):
    lines = pathlib.Path(f"{way}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


logs = {way: read_log(way) for way in ways}
names = ["accuracy", "robust_accuracy", "loss", "preservation_loss"]
for epoch in (0, -1):
    number = logs["alone"][epoch]["epoch"] + 1
    print(f"{f'epoch {number}':<18}" + "".join(f"{way:>12}" for way in ways))
    for name in names:
        values = "".join(f"{logs[way][epoch][name]:>12.5f}" for way in ways)
        print(f"{name:<18}{values}")

"""
Do both processes have the same weights in the end? They have to, bit for bit: each takes
the same step with the same mean of gradients.
"""


def weights(file):
    with np.load(file) as found:
        return [found[name] for name in found.files]


if "processes" in ways:
    pairs = zip(
        weights("processes-0.npz"), weights("processes-1.npz"), strict=True
    )
    print("the same weights:", all(np.array_equal(a, b) for a, b in pairs))

"""
On JAX 0.10 with seed 0 the losses of the first epoch differ by 0.01 %, those of the
fourth by 0.3 %, and the accuracies by no more than 0.7 points. The beginning shows that
all three are the same training, and the rest how quickly rounding grows. (An attack
takes the sign of a gradient, so rounding near zero turns into a whole step.)

## Afterwards

A trained model is a model like any other. Load what many devices have trained on a
single one, and evaluate it there, where batches may have any size.
"""

loaded = keras.saving.load_model(f"{ways[-1]}.keras")

attack = kad.attacks.PGD(epsilon=4 / 255, steps=20, seed=0)
x, y = test.images[:256], test.labels[:256]
for name, seen in {"clean": x, "PGD": attack.run(loaded, x, y).images}.items():
    predicted = loaded.predict(seen, verbose=0).argmax(-1)
    print(f"{name:<6} {(predicted == y).mean():.1%}")

figure = kad.visualization.attack_figure(loaded, x[:3], y[:3], attack)
figure.savefig("devices.png")
figure

"""
## What was tried, and what was not

- *Several processes*: two on one machine train as one does, on JAX with gloo, on
  TensorFlow with `MultiWorkerMirroredStrategy`, and on PyTorch with a nightly version
  of Keras 3.16; also in `mixed_bfloat16` on JAX and PyTorch. `docs/scale.md` has the
  numbers, and what each backend wants to know.
  `python examples/train_on_several_processes.py` of the repository compares a few
  steps; it is a program to begin with.
- *Several devices of one process*: two virtual CPU devices, as here. `fit` of Keras 3.15
  on PyTorch uses one device, so there this guide trains on one only.
- *Real GPUs or TPUs, and several machines*, were not available.
- *Evaluation on several workers*: `kad.distributed.Ray`, or shards from any scheduler,
  give the numbers of one process, bit for bit; `docs/scale.md`.
- *Model parallelism*: not tried.

## What to take home

- Connect the processes or set up the devices before anything else, build everything
  inside the scope, and use batches that divide evenly.
- Before you trust a long run, compare a short one with one device, without shuffling.
"""
