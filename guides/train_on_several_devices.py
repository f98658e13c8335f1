"""
Title: Train on several devices
Author: The keras_attn_defense authors
Date created: 2026/11/23
Last modified: 2026/11/23
Description: Divide each batch among devices on JAX and TensorFlow, check that the numbers are those of one device, and know the limits.
Accelerator: None
"""

"""
## Introduction

Adversarial training costs several times as much as plain training, so more devices
are welcome. Data parallelism is the simplest way to use them: each device has the
whole model and a part of every batch. It crafts the adversarial images of its part,
and gradients are averaged over all devices. `AttentionDefendedModel` does this inside
Keras' own training step, so you use Keras' own distribution:

- on JAX `keras.distribution.DataParallel`,
- on TensorFlow `tf.distribute.MirroredStrategy`,
- on PyTorch there is nothing comparable in Keras 3.15; see the end.

Several processes, one for each device, are the other way; see the end too.

The guide divides one CPU into two devices. This is not faster, but it shows that the
numbers are the same. It runs anywhere, in about two minutes, without a download.

## Setup

The number of devices is fixed when a framework starts, so we set it before the
imports. With real devices, leave out the two pieces that make CPU devices. (The second
line for JAX gives them enough threads: on two cores there would be two, and virtual
devices that wait for each other could then wait forever.)
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
os.environ["NPROC"] = "16"

import contextlib

import keras
from keras import layers

import keras_attn_defense as kad

backend = keras.backend.backend()

if backend == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )

"""
## Whole batches only

The devices share each batch equally: of 64 images, each of two devices gets 32. On JAX
a batch that cannot be divided evenly is an error. So is a smaller last batch of an
epoch, and a `fit` that ends with this error leaves the model unusable. So use whole
batches: `drop_remainder=True` in `tf.data`, or as many images as fill them. What counts
for the training is the whole batch. More devices are kept busy by a larger one, and then
the learning rate has to be tuned again.

For CIFAR-10, change the first line to `kad.datasets.load_cifar10()`.
"""

train, test = kad.datasets.load_digit_scenes()

batch_size = 64
size = len(train.images) // batch_size * batch_size
images, labels = train.images[:size], train.labels[:size]
print(f"{size} of {len(train.images)} images, {size // batch_size} batches")

"""
## One model, two ways

Everything that is distributed must be built inside the scope: the network, the
defended model around it, and the optimizer. That is the only difference.
"""


def distribution(devices):
    """A scope in which models are spread over so many devices."""
    if devices == 1:
        return contextlib.nullcontext()
    if backend == "jax":
        parallel = keras.distribution.DataParallel(
            devices=keras.distribution.list_devices()[:devices]
        )
        return parallel.scope()
    if backend == "tensorflow":
        names = [f"CPU:{index}" for index in range(devices)]
        return tf.distribute.MirroredStrategy(names).scope()
    raise ValueError("Keras 3.15 does not distribute `fit` on PyTorch.")


def block(x, filters, strides):
    x = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    x = layers.BatchNormalization(
        momentum=0.9, synchronized=backend == "tensorflow"
    )(x)
    return layers.ReLU()(x)


def make_model():
    inputs = keras.Input(train.images.shape[1:])
    x = block(inputs, 16, strides=2)
    x = block(x, 32, strides=2)
    x = block(x, 64, strides=1)
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


"""
`BatchNormalization` is where one device and several may differ. On JAX its statistics
are those of the whole batch. Under `MirroredStrategy` they are those of each device's
part, unless `synchronized=True` says otherwise; only TensorFlow has that argument.
Statistics of the parts are not a mistake, but the numbers then differ.

Now we train the same four epochs on one device and on two, from the same weights and in
the same order.
"""


def trained(devices):
    keras.utils.set_random_seed(0)
    with distribution(devices):
        model = make_model()
        history = model.fit(
            images,
            labels,
            batch_size=batch_size,
            epochs=4,
            shuffle=False,
            verbose=2,
        )
    return model, history.history


models, logs = {}, {}
for devices in (1, 2) if backend != "torch" else (1,):
    print(f"--- {devices} device(s)")
    models[devices], logs[devices] = trained(devices)

"""
## Are they the same?

Each device crafts the same images that a single device would have crafted, and the mean
of the gradients is the gradient of the whole batch. What remains is rounding: sums are
added up in another order, and training lets small differences grow.
"""


def compare(one, two, epoch):
    print(f"{f'epoch {epoch}':<22}{'one device':>12}{'two devices':>12}")
    for name in one:
        values = one[name][epoch - 1], two[name][epoch - 1]
        print(f"{name:<22}{values[0]:>12.5f}{values[1]:>12.5f}")


most = max(models)
compare(logs[1], logs[most], epoch=1)
compare(logs[1], logs[most], epoch=len(logs[1]["loss"]))

"""
On JAX 0.10 with seed 0 the losses of the first epoch differ by 0.02 %, those of the
fourth by 0.9 %, and the accuracies by no more than 0.3 points. On TensorFlow 2.21 the
losses differ by 0.03 and 3.7 %, and the accuracies by no more than 1.5 points. The
beginning shows that both are the same training, and the rest how quickly rounding grows.
(An attack takes the sign of a gradient, so rounding near zero turns into a whole step.)
Do not expect a gain in speed here: both devices share the same two cores.

## Afterwards

A trained model is a model like any other. Save what was trained on many devices, load
it on a single one, and evaluate it there, where batches may have any size.
"""

models[most].save("defended.keras")
loaded = keras.saving.load_model("defended.keras")

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

- *JAX and TensorFlow*: two virtual CPU devices, as here, are a test of the library:
  logs and weights after two steps agree with those of one device. Real GPUs or TPUs
  were not available.
- *Several processes*: two on one machine train as one process does, on JAX, on
  TensorFlow with `MultiWorkerMirroredStrategy`, and on PyTorch with Keras 3.16.
  `python examples/train_on_several_processes.py` of the repository starts them and
  compares; `docs/scale.md` says how to start your own, on several machines too, which
  were not at hand.
- *Evaluation on several workers*: `kad.distributed.Ray`, or shards from any scheduler,
  give the numbers of one process, bit for bit; `docs/scale.md`.
- *PyTorch*: `fit` of Keras 3.15 uses one device. On PyTorch this guide trains on one
  device only.
- *Model parallelism*: not tried.

## What to take home

- Set up the devices before anything else, build everything inside the scope, and use
  batches that divide evenly among the devices.
- Before you trust a long run, compare a short one with one device, without shuffling.
"""
