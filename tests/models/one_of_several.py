"""One of several processes that train a model together.

    python -m tests.models.one_of_several INDEX COUNT ADDRESSES FOLDER POLICY \
        MOVES

It is run by `processes_test.py`, which trains the same in one process.
"""

import contextlib
import json
import os
import pathlib
import sys

import keras
import numpy as np

import keras_attn_defense as kad
from keras_attn_defense.models import AdversarialWeightPerturbation as AWP
from tests import networks
from tests.models.helpers import flat_weights

EPOCHS = 4
BATCH = 8
IMAGES = 40
BACKEND = keras.backend.backend()
# On JAX, random numbers are drawn for the whole batch; elsewhere each device
# has other ones than one device would have.
DRAWS_AS_ONE = BACKEND == "jax"


def start(index, count, addresses):
    """Connects the processes; returns what makes a scope for models."""
    if BACKEND == "tensorflow":
        workers = {"worker": addresses.split(",")}
        task = {"type": "worker", "index": index}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": workers, "task": task})
        import tensorflow as tf

        # As in `conftest.py`: another graph rounds in another way.
        tf.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": True}
        )
        return tf.distribute.MultiWorkerMirroredStrategy().scope
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize(addresses, count, index)
    if BACKEND == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    return contextlib.nullcontext


@keras.saving.register_keras_serializable(package="keras_attn_defense_tests")
class Recorded(kad.attacks.PGD):
    """Keeps how the first pixels of the last batch were changed."""

    def __init__(self, *, images, **kwargs):
        super().__init__(**kwargs)
        self.images = images
        self.changes = self.add_weight(shape=(images, 3), trainable=False)

    def get_config(self):
        return {**super().get_config(), "images": self.images}

    def perturb(self, model, x, *args, **kwargs):
        found = super().perturb(model, x, *args, **kwargs)
        self.changes.assign((found - x)[: self.images, 0, 0])
        return found


def defended(draws, moves=False, images=BATCH):
    """A small defended model.

    Args:
        draws: Whether its steps draw, in its attack and in Dropout.
        moves: Whether they move the weights against the training.
        images: How many images each step has.
    """
    base = networks.stateful() if draws else networks.functional()
    # In half precision, Keras cannot add it to other losses on TensorFlow.
    base.get_layer("last").activity_regularizer = None
    model = kad.AttentionDefendedModel(
        base,
        Recorded(
            epsilon=16 / 255,
            steps=1,
            # Most pixels stay inside of the ball, and show what was drawn.
            step_size=2 / 255,
            random_start=draws,
            seed=1,
            images=images,
        ),
        rectification_weight=0.0,
        # Its gradient is a second derivative.
        preservation_weight=1.0,
        weight_perturbation=AWP(0.01) if moves else None,
        validation_attack=kad.attacks.FGSM(4 / 255),
    )
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        kad.losses.LabelCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def set_precision(policy):
    """Sets the policy of layers, and float64 for all else if it is that."""
    keras.config.set_dtype_policy(policy)
    if policy == "float64":
        keras.config.set_floatx(policy)


def whole(x, y):
    """The arguments of `fit` for all images, on any number of processes."""
    return {"x": x, "y": y, "batch_size": BATCH}


def as_tf_data(x, y):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((x, y))
    return {"x": data.batch(BATCH, drop_remainder=True)}


def own_part(index, count):
    """A function like `whole`, for one process's part of each batch."""
    size = BATCH // count

    def part(*arrays):
        x, y = (
            np.concatenate(
                [
                    each[first + index * size : first + (index + 1) * size]
                    for first in range(0, IMAGES, BATCH)
                ]
            )
            for each in arrays
        )
        return {"x": x, "y": y, "batch_size": size}

    return part


def train(model, part, folder=None, **kwargs):
    """Trains, or goes on, with all callbacks that write."""
    callbacks = []
    if folder is not None:
        callbacks = [
            kad.callbacks.RobustnessEvaluation(
                *networks.images_and_labels(4, seed=2), attacks="fgsm", every=9
            ),
            kad.callbacks.RobustCheckpoint(folder / "best.keras"),
            kad.callbacks.TrainingLog(folder / "log.csv"),
            kad.callbacks.Resume(folder / "state"),
        ]
    validation = part(*networks.images_and_labels(IMAGES, seed=3))
    validation.pop("batch_size", None)
    if len(validation) > 1:
        validation = {"x": (validation["x"], validation["y"])}
    history = model.fit(
        **part(*networks.images_and_labels(IMAGES)),
        validation_data=validation["x"],
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
        **kwargs,
    )
    return history.history


def refused(model, index, count):
    """What `fit` says to data that processes cannot share."""

    def message(**data):
        try:
            model.fit(**data, verbose=0)
        except ValueError as error:
            return str(error)
        return None

    x, y = networks.images_and_labels(IMAGES)
    size = BATCH if BACKEND == "tensorflow" else BATCH // count
    fewer = slice(size if index == count - 1 else 0, None)
    found = {
        "unequal": message(x=x[fewer], y=y[fewer], batch_size=size),
        "spoiled": message(x=x + (index == 0), y=y, batch_size=size),
    }
    if BACKEND == "tensorflow":
        found["uneven"] = message(x=x[:39], y=y[:39], batch_size=size)
    else:
        found["same"] = message(x=x, y=y, batch_size=size)
    return found


def main(index, count, addresses, folder, policy, moves):
    index, count = int(index), int(count)
    folder = pathlib.Path(folder)
    found = {}
    part = as_tf_data if BACKEND != "torch" else own_part(index, count)
    scope = start(index, count, addresses)
    # A step sees the whole batch on JAX, and its own part elsewhere.
    images = BATCH if DRAWS_AS_ONE else BATCH // count
    with scope():
        set_precision(policy)
        keras.utils.set_random_seed(0)
        model = defended(DRAWS_AS_ONE, moves == "True", images)
    train(model, part, folder, epochs=EPOCHS // 2)
    # As a new program would, it goes on with what is in the folder.
    model.base.set_weights([0 * each for each in model.base.get_weights()])
    found["logs"] = train(model, part, folder, epochs=EPOCHS)
    found["weights"] = flat_weights(model.base).tolist()
    model.save(folder / f"{index}.keras")
    if BACKEND == "jax":
        keras.distribution.distribution().auto_shard_dataset = False
        train(model, own_part(index, count), epochs=1)
        found["after arrays"] = flat_weights(model.base).tolist()
    found["refused"] = refused(model, index, count)
    if not DRAWS_AS_ONE:
        with scope():
            model = defended(True, images=images)
        x, y = networks.images_and_labels(IMAGES)
        model.fit(**part(x, y), shuffle=False, verbose=0)
    found["changes"] = model.attack.changes.numpy().tolist()
    found["averages"] = [v.numpy().tolist() for v in model.kept_averages]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
