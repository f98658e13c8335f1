"""The one decorator of classes with a configuration."""

import inspect

import keras

PACKAGE = "keras_attn_defense"
# Arguments that say nothing of what an object does.
_NOT_SHOWN = ("name", "dtype", "trainable")


def register(cls):
    """Makes `cls` loadable from `.keras` files, and shows its arguments.

    `repr` lists what differs from the defaults: `PGD(epsilon=0.1, steps=20)`.
    Models keep the form of Keras.
    """
    if not issubclass(cls, keras.Model):
        cls.__repr__ = _representation
    return keras.saving.register_keras_serializable(package=PACKAGE)(cls)


def _representation(instance):
    try:
        config = instance.get_config()
    except Exception:  # Half made, or without a configuration.
        return object.__repr__(instance)
    defaults = _defaults(type(instance))
    given = {
        # An object has a configuration there, and is an attribute as well.
        name: getattr(instance, name, value)
        if isinstance(value, dict)
        else value
        for name, value in config.items()
        if name not in _NOT_SHOWN
        and not (name in defaults and _same(value, defaults[name]))
    }
    arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
    return f"{type(instance).__name__}({arguments})"


def _defaults(cls):
    """Collects defaults of arguments; those of a subclass come last."""
    found = {}
    for kind in reversed(cls.__mro__):
        if "__init__" in vars(kind) and kind is not object:
            parameters = inspect.signature(kind.__init__).parameters.values()
            found.update(
                (each.name, each.default)
                for each in parameters
                if each.default is not inspect.Parameter.empty
            )
    return found


def _same(value, default):
    # Pairs come back from files as lists.
    if isinstance(value, (list, tuple)):
        return isinstance(default, (list, tuple)) and list(value) == list(
            default
        )
    return type(value) is type(default) and value == default
