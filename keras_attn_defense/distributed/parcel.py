"""Models, attacks and functions on their way to another process.

What is sent is unpacked by the workers of the same user: pickles are never
read from files.
"""

import functools
import io
import os
import pathlib
import tempfile
import types

import keras
import numpy as np
from keras import ops

from ..attacks import Attack
from ..attacks.engine.copies import assembled
from ..attacks.engine.copies import description
from ..attacks.engine.copies import own_attributes
from ..classifier import all_layers
from ..evaluation.content import is_installed

_SEED = "seed_generator_state"


def packed(value):
    """Returns bytes from which another process can make the same value.

    Args:
        value: Anything that cloudpickle takes; also Keras models, which Keras
            has to be able to save, attacks, and what holds them.
    """
    stream = io.BytesIO()
    _pickler()(stream).dump(value)
    return stream.getvalue()


def unpacked(content):
    """Makes the value that `packed` was given."""
    from ray import cloudpickle

    return cloudpickle.loads(content)


@functools.cache
def _pickler():
    from ray import cloudpickle

    class Pickler(cloudpickle.CloudPickler):
        def reducer_override(self, value):
            for kind, reduced in _REDUCED.items():
                if isinstance(value, kind):
                    return reduced(value)
            return super().reducer_override(value)

    return Pickler


def _of_model(model):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.keras")
        model.save(path)
        content = path.read_bytes()
    # Keras saves the states of seeds as little as Python's own classes.
    seeds = [ops.convert_to_numpy(each) for each in _seeds(model)]
    return _loaded, (content, _own_objects(model), seeds)


def _loaded(content, own_objects, seeds):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        pathlib.Path(path).write_bytes(content)
        model = keras.saving.load_model(
            path, own_objects, compile=False, safe_mode=False
        )
    for variable, state in zip(_seeds(model), seeds, strict=True):
        variable.assign(state)
    return model


def _seeds(model):
    return [each for each in model.variables if each.path.endswith(_SEED)]


def _own_objects(model):
    """The classes and functions of a user that a model is made of, by name.

    A program's own are not known to other processes.
    """
    found = dict(keras.saving.get_custom_objects())
    for layer in [model, *all_layers(model)]:
        functions = [
            value
            for value in vars(layer).values()
            if isinstance(value, types.FunctionType)
        ]
        for each in [type(layer), *functions]:
            found[each.__name__] = each
            found[keras.saving.get_registered_name(each)] = each
    return {
        name: each
        for name, each in found.items()
        if not is_installed(getattr(each, "__module__", None))
    }


def _of_attack(attack):
    return assembled, (*description(attack), own_attributes(attack))


def _of_variable(variable):
    value = np.array(ops.convert_to_numpy(variable))
    return _variable, (value, variable.trainable, variable.dtype, variable.name)


def _variable(value, trainable, dtype, name):
    return keras.Variable(value, trainable=trainable, dtype=dtype, name=name)


def _of_seed_generator(generator):
    state = np.array(ops.convert_to_numpy(generator.state))
    return _seed_generator, (state, generator.name)


def _seed_generator(state, name):
    generator = keras.random.SeedGenerator(0, name=name)
    generator.state.assign(state)
    return generator


_REDUCED = {
    keras.Model: _of_model,
    Attack: _of_attack,
    keras.Variable: _of_variable,
    keras.random.SeedGenerator: _of_seed_generator,
}
