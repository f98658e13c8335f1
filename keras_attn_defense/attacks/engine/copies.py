"""Copies of an attack, with random numbers and a strength of their own."""

import keras
from keras import ops

from ...classifier.signature import bookkeeping


def copied(attack, base):
    """Copies an attack, attribute by attribute.

    The copy has its own variables and states of seeds, which begin with the
    values of the original's, and its own copies of attacks inside. All other
    attributes, compiled code among them, are shared.

    Args:
        attack: The attack, a Keras layer.
        base: The class of all attacks: those inside are copied too.
    """
    attributes = {
        name: _copied(value, base)
        for name, value in own_attributes(attack).items()
    }
    return assembled(*description(attack), attributes)


def description(attack):
    """Returns what an attack is, apart from its attributes."""
    kept = (attack.name, attack.dtype_policy, attack.trainable, attack.built)
    return type(attack), *kept


def own_attributes(attack):
    """Returns the attributes of an attack without Keras' bookkeeping."""
    kept = bookkeeping(False)
    # On PyTorch, layers inside are not among the other attributes.
    inside = vars(attack).get("_modules", {}).items()
    layers = {k: v for k, v in inside if isinstance(v, keras.layers.Layer)}
    attributes = {**vars(attack), **layers}
    return {k: v for k, v in attributes.items() if k not in kept}


def assembled(kind, name, dtype_policy, trainable, built, attributes):
    """Makes an attack of its `description` and its attributes."""
    other = keras.layers.Layer.__new__(kind)
    keras.layers.Layer.__init__(
        other, name=name, dtype=dtype_policy, autocast=False
    )
    for attribute, value in attributes.items():
        setattr(other, attribute, value)
    other.trainable = trainable
    other.built = built
    return other


def _copied(value, base):
    if isinstance(value, keras.random.SeedGenerator):
        # Any seed: its state is replaced.
        fresh = keras.random.SeedGenerator(0, name=value.name)
        # By value: training on JAX deletes the arrays that it is given.
        fresh.state.assign(ops.convert_to_numpy(value.state.value).copy())
        return fresh
    if isinstance(value, keras.Variable):
        return keras.Variable(
            ops.convert_to_numpy(value),
            trainable=value.trainable,
            dtype=value.dtype,
            name=value.name,
        )
    if isinstance(value, base):
        return copied(value, base)
    return value
