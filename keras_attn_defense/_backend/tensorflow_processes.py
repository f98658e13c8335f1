"""Devices and processes that train one model together, on TensorFlow."""

import contextlib

import numpy as np
import tensorflow as tf

from .seeds import SEEDS_APART
from .seeds import states_of_seeds


def process(model):
    """The number of this process, and how many train a model together."""
    resolver = model.distribute_strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return 0, 1
    tasks = resolver.cluster_spec()
    kinds = [kind for kind in ("chief", "worker") if kind in tasks.jobs]
    counts = [tasks.num_tasks(kind) for kind in kinds]
    before = sum(counts[: kinds.index(resolver.task_type)])
    return before + resolver.task_id, sum(counts)


def gathered(model, text):
    """The texts of all processes that train a model together, in order."""
    strategy = model.distribute_strategy

    def rows(own):
        # The sum of matrices that have one row each. `strategy.gather` would
        # be compiled anew each time.
        def matrix(context):
            found = np.zeros((context.num_replicas_in_sync, len(own)), "int32")
            found[context.replica_id_in_sync_group] = own
            return tf.constant(found)

        each = strategy.experimental_distribute_values_from_function(matrix)
        return strategy.reduce("SUM", each, axis=None).numpy()

    own = list(text.encode())
    sizes = rows([len(own)])[:, 0]
    texts = rows(own + [0] * (max(sizes) - len(own))).astype("uint8")
    # Each device of a process says the same.
    own_devices = len(sizes) // process(model)[1]
    return [
        row[:size].tobytes().decode()
        for row, size in list(zip(texts, sizes, strict=True))[::own_devices]
    ]


def devices(model):
    """How many devices each batch is divided among, in all processes."""
    return model.distribute_strategy.num_replicas_in_sync


def check_together(model):
    """Raises a `ValueError` where processes would wait for each other."""
    if process(model)[1] > 1 and tf.distribute.has_strategy():
        raise ValueError(
            "Several processes train outside of `strategy.scope()`, since one "
            "of them alone writes files. Build and compile the model inside, "
            "and call `fit` outside of it."
        )


@contextlib.contextmanager
def seeds_of_device(variables):
    """A scope in which each device draws other random numbers."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        yield
        return
    number = tf.cast(context.replica_id_in_sync_group, "int64")
    distance = tf.stack([number * SEEDS_APART, 0])
    seeds = states_of_seeds(variables)
    for seed in seeds:
        seed.assign(seed.value + distance)
    yield
    for seed in seeds:
        seed.assign(seed.value - distance)


def average_over_devices(variables):
    """Gives variables the mean of their values on all devices."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1 or not variables:
        return
    # One exchange for all of them.
    flat = [tf.reshape(tf.cast(v.value, "float32"), [-1]) for v in variables]
    mean = context.all_reduce("MEAN", tf.concat(flat, axis=0))
    parts = tf.split(mean, [each.shape[0] for each in flat])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(tf.reshape(part, variable.shape))
