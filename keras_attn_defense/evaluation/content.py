"""Digests of models, attacks and functions by what they contain."""

import functools
import hashlib
import sys
import sysconfig
import types
import warnings

import keras
import numpy as np
from keras import ops

from ..attacks import Attack
from ..attacks import EnsembleAttack
from ..classifier import all_layers

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
_LIBRARIES = tuple(
    sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")
)
_OWN = __name__.partition(".")[0]
_SEED = "seed_generator_state"
# Attributes that every layer has are Keras' own bookkeeping.
_OF_LAYERS = frozenset(vars(keras.layers.Layer(name="any")))
# What says nothing about the results of a class, or comes with its use.
_OF_CLASSES = {
    "__abstractmethods__",
    "__annotations__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__slotnames__",
    "__static_attributes__",
    "__weakref__",
    "_abc_impl",
}


class Content:
    """Digests values by their content, equal in every process.

    A function counts by its code, its defaults, and the variables around it
    that it reads; a Keras object by its class, configuration and weights; an
    array by its values. The code of installed packages counts by its name.
    Names that Keras gives to layers do not count.
    """

    def __init__(self):
        #: Where values are that only their type was known of.
        self.unknown = []
        self._digest = hashlib.sha256()
        self._seen = {}

    def hexdigest(self):
        """The digest of all that was added."""
        return self._digest.hexdigest()

    def add(self, value, place):
        """Adds a value.

        Args:
            value: Anything.
            place: What it is called in `unknown`.
        """
        if isinstance(value, _PLAIN):
            self._write(repr(value))
        elif id(value) in self._seen:  # Also what refers back to itself.
            self._write(f"again {self._seen[id(value)][0]}")
        else:
            # Kept, so that its identity is not given away again.
            self._seen[id(value)] = len(self._seen), value
            self._write(type(value).__qualname__)
            self._add_object(value, place)

    def _write(self, text):
        self._digest.update(text.encode(errors="surrogatepass") + b"\0")

    def _add_object(self, value, place):
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                self.add(item, f"{place}[{index}]")
        elif isinstance(value, (set, frozenset)):
            self._write(repr(sorted(map(repr, value))))
        elif isinstance(value, (dict, types.MappingProxyType)):
            for key in sorted(value, key=repr):
                self._write(repr(key))
                self.add(value[key], f"{place}[{key!r}]")
        elif isinstance(value, (np.ndarray, np.generic)):
            self._add_array(value, place)
        elif isinstance(value, keras.Variable) or ops.is_tensor(value):
            self._add_array(ops.convert_to_numpy(value), place)
        elif isinstance(value, types.ModuleType):
            self._write(value.__name__)
        elif isinstance(value, type):
            self._add_class(value, place)
        elif isinstance(value, types.CodeType):
            self._add_code(value, place)
        elif isinstance(value, types.FunctionType):
            self._add_function(value, place)
        elif isinstance(value, types.MethodType):
            self.add(value.__func__, place)
            self.add(value.__self__, f"{place}.__self__")
        elif isinstance(value, functools.partial):
            self.add([value.func, value.args, value.keywords], place)
        elif isinstance(value, (property, staticmethod, classmethod)):
            functions = ("fget", "fset", "fdel", "__func__")
            found = [getattr(value, name, None) for name in functions]
            self.add(found, place)
        elif isinstance(value, Attack):
            self._add_attack(value, place)
        elif isinstance(value, keras.layers.Layer):
            self._add_layer(value, place)
        else:
            self._add_instance(value, place)

    def _add_array(self, array, place):
        array = np.ascontiguousarray(array)
        if array.dtype == object:
            self.add(array.tolist(), place)
            return
        self._write(f"{array.dtype} {array.shape}")
        self._digest.update(array.tobytes())

    def _add_class(self, cls, place):
        self._write(f"{cls.__module__}.{cls.__qualname__}")
        if is_installed(cls.__module__):
            return
        for base in cls.__bases__:
            self.add(base, place)
        for name in sorted(set(vars(cls)) - _OF_CLASSES):
            self._write(name)
            self.add(vars(cls)[name], f"{place}.{name}")

    def _add_function(self, function, place):
        if is_installed(function.__module__):
            self._write(f"{function.__module__}.{function.__qualname__}")
        else:
            self._add_code(function.__code__, place)
            for name in sorted(_names(function.__code__)):
                if name in function.__globals__:
                    self._write(name)
                    self.add(function.__globals__[name], name)
        self.add([function.__defaults__, function.__kwdefaults__], place)
        names = function.__code__.co_freevars
        for name, cell in zip(names, function.__closure__ or (), strict=True):
            self._write(name)
            try:
                self.add(cell.cell_contents, name)
            except ValueError:  # Empty: a name that is not bound yet.
                self._write("empty")

    def _add_code(self, code, place):
        self._digest.update(code.co_code)
        self.add([code.co_names, code.co_varnames, code.co_freevars], place)
        self.add(code.co_consts, place)

    def _add_layer(self, layer, place):
        parts = [layer, *all_layers(layer)] if _is_model(layer) else [layer]
        for part in parts:
            self.add(type(part), place)
        config = _config(layer)
        if config is None:  # It cannot be saved: what its layers hold.
            for part in parts:
                self.add(_own_attributes(part), place)
        else:
            self.add(_nameless(config, [part.name for part in parts]), place)
        for part in parts:
            # A setting that the author of a layer forgot to save counts too.
            if not is_installed(type(part).__module__):
                self.add(_own_settings(part), place)
        for variable in layer.variables:
            if not variable.path.endswith(_SEED):
                self.add(variable, place)

    def _add_attack(self, attack, place):
        self.add(type(attack), place)
        # Models count by what they hold, below, and nothing by its name.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of lambdas.
            config = attack.get_config()
        self.add(_without(("models", "name"), config), place)
        for name, value in vars(attack).items():
            private = name.startswith("_") or name in _OF_LAYERS
            drawn = (keras.Variable, keras.random.SeedGenerator)
            if not private and not isinstance(value, drawn):
                self.add(value, f"{place}.{name}")
        if isinstance(attack, EnsembleAttack):
            self.add(attack.models, f"{place}.models")

    def _add_instance(self, value, place):
        cls = type(value)
        self.add(cls, place)
        if is_installed(cls.__module__) and hasattr(value, "get_config"):
            self.add(_without(("name",), value.get_config()), place)
        elif not is_installed(cls.__module__) or _is_ours(cls.__module__):
            self.add(getattr(value, "__dict__", {}), place)
        elif not callable(value) or not hasattr(value, "__qualname__"):
            self.unknown.append(f"{place}, {cls.__module__}.{cls.__name__}")
        else:  # A built-in function.
            self._write(value.__qualname__)


def _is_ours(module):
    return (module or "").partition(".")[0] == _OWN


@functools.cache
def is_installed(module):
    """Tells whether code is Python's or a package's, whose version counts."""
    # Made while the program ran, or by the program, wherever its file is.
    if not module or module == "__main__":
        return False
    if _is_ours(module) or module.partition(".")[0] in ("keras", "builtins"):
        return True
    if module.partition(".")[0] in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and file.startswith(_LIBRARIES)


def _names(code):
    """All global names that code reads, also in functions inside of it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _is_model(layer):
    return isinstance(layer, keras.Model)


def _config(layer):
    """The configuration of a layer or a model, or None if it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of lambdas, which cannot be loaded.
        try:
            return keras.saving.serialize_keras_object(layer)
        except (NotImplementedError, TypeError, ValueError):
            return None


def _nameless(config, names):
    """A configuration with layers numbered instead of named."""
    numbers = {name: f"layer {i}" for i, name in enumerate(names)}
    left_out = ("compile_config", "build_config")

    def replaced(value):
        if isinstance(value, dict):
            return {
                key: replaced(item)
                for key, item in value.items()
                if key not in left_out
            }
        if isinstance(value, (list, tuple)):
            return [replaced(item) for item in value]
        if isinstance(value, str):
            return numbers.get(value, value)
        return value

    return replaced(config)


def _without(names, config):
    """A configuration without some entries, also in what it contains."""
    if isinstance(config, (list, tuple)):
        return [_without(names, item) for item in config]
    if not isinstance(config, dict):
        return config
    return {k: _without(names, v) for k, v in config.items() if k not in names}


def _own_attributes(layer):
    """Collects what is a layer's own, without its parts and weights."""
    return {
        name: value
        for name, value in vars(layer).items()
        if name not in _OF_LAYERS
        and not isinstance(value, (keras.layers.Layer, keras.Variable))
        and not _holds_layers(value)
    }


def _own_settings(layer):
    """The plain public attributes of a layer, and its functions."""
    kinds = (*_PLAIN, types.FunctionType, np.ndarray, np.generic)
    return {
        name: value
        for name, value in _own_attributes(layer).items()
        if isinstance(value, kinds) and not name.startswith("_")
    }


def _holds_layers(value):
    return isinstance(value, (list, tuple)) and any(
        isinstance(item, keras.layers.Layer) for item in value
    )
