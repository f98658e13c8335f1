"""Signatures of networks, attacks and methods, the sources of compiled code.

Compiled code keeps the layers, activations and numbers that it met while it
was traced. A signature writes all of that down, so that code is used again
only for what it was made from:

    for each layer inside:  its attributes, its dtype policy, `trainable`
    for each plain object:  its attributes
    for each function:      itself, and the numbers and layers that it reads
    arrays: their values;  variables, tensors and the rest: themselves

Weights are variables, whose values compiled code is given: they are no part of
it. Those of further models, such as a teacher in a loss, it keeps as constants
(on JAX): of these, the values are. What Keras notes down in a layer for itself,
which changes by calling or training it, is left out.
"""

import functools
import sys
import types
import weakref
import zlib
from typing import Any

import keras
import numpy as np

from .classifier_view import ClassifierView
from .structure import all_layers

_PLAIN = frozenset([type(None), bool, int, float, complex, str, bytes])
# Objects of these packages stay as they are.
_FRAMEWORKS = {"keras", "tensorflow", "jax", "jaxlib", "torch", "numpy"}
# Bookkeeping that a bare layer or model has not yet: what TensorFlow tracks,
# what `compile`, `fit` and the graph of a functional model add.
_TRACKED = """
    _self_name_based_restores _self_saveable_object_factories _self_update_uid
    _self_unconditional_checkpoint_dependencies
    _self_unconditional_deferred_dependencies
    _self_unconditional_dependency_names
""".split()
_OF_MODELS = """
    optimizer history stop_training stop_evaluating stop_predicting
    _compile_config _compiled_trainable_state _eval_epoch_iterator _jax_state
    _inputs _inputs_struct _outputs _outputs_struct
    _nodes _nodes_by_depth _operations _operations_by_depth
""".split()
# How far objects inside of objects are looked at.
_DEPTH = 3


class Signature:
    """A record of what objects are made of at this moment.

    Args:
        *parts: Keras layers and models, classifier views, numbers, functions
            and other objects, in the order in which they are compared.
        owner: A Keras layer that may be exchanged for a copy of it, or None.
        arguments: Names of its attributes that do not count.
    """

    def __init__(
        self, *parts: Any, owner: Any = None, arguments: Any = ()
    ) -> None:
        #: Of each object, by its identity: tokens by the attribute's name.
        self.attributes: dict[Any, dict[Any, Any]] = {}
        #: While these live, no other object has their identity.
        self.held: list[Any] = []
        self._readers: dict[type, Any] = {}
        self._calls: dict[type, Any] = {}
        self._depth = 0
        passed = [*parts] if owner is None else [*parts, owner]
        self._given = {
            id(variable)
            for part in passed
            for variable in getattr(part, "variables", ())
        }
        if owner is not None:
            # Under a name of its own, as a copy has another identity.
            own = set(map(id, own_variables(owner)))
            names = {*bookkeeping(False), *arguments}
            self.attributes["owner"] = {
                "class": id(type(owner)),
                **{
                    name: "own" if id(value) in own else self.token(value)
                    for name, value in vars(owner).items()
                    if name not in names
                    and not isinstance(value, keras.random.SeedGenerator)
                },
            }
        self.attributes["parts"] = {
            number: self.token(part) for number, part in enumerate(parts)
        }

    def token(self, value: Any) -> Any:
        """Returns what is equal as long as a value is the same."""
        kind = type(value)
        reader = self._readers.get(kind)
        if reader is None:
            reader = self._readers[kind] = _reader(self, value)
        return reader(value)

    def _identity(self, value):
        self.held.append(value)
        return id(value)

    def _sequence(self, values):
        if _PLAIN.issuperset(map(type, values)):
            return tuple(values)
        return tuple(map(self.token, values))

    def _set(self, values):
        return frozenset(map(self.token, values))

    def _mapping(self, values):
        return tuple(
            (self.token(key), self.token(value))
            for key, value in values.items()
        )

    def _array(self, values):
        content = np.ascontiguousarray(values)
        if content.dtype.hasobject:
            return self._identity(values)
        code = zlib.crc32(content.view("uint8").reshape(-1))
        return values.shape, values.dtype.str, code

    def _view(self, view):
        return id(type(view)), view.draws, self.token(view.identity)

    def _function(self, function):
        if hasattr(function, "handlers"):  # Listened to; see `intercept`.
            return self.token(function.replaced)
        return self._identity(function), self._reads(function)

    def _reads(self, function):
        """The numbers and layers that a function reads from outside."""
        if (function.__module__ or "").partition(".")[0] in _FRAMEWORKS:
            return ()
        names = function.__code__.co_names
        found = [function.__globals__.get(name) for name in names]
        for cell in function.__closure__ or ():
            try:
                found.append(cell.cell_contents)
            except ValueError:  # Not filled yet.
                continue
        kept = (*_PLAIN, keras.layers.Layer)
        return tuple(self.token(v) for v in found if isinstance(v, kept))

    def _layer(self, layer):
        if id(layer) not in self.attributes:
            for each in (layer, *all_layers(layer)):
                self._attributes_of_layer(each)
            # JAX has another array after each assignment.
            self.attributes[id(layer)]["constants"] = tuple(
                self._identity(weight.value)
                for weight in layer.weights
                if id(weight) not in self._given
            )
        return id(layer)

    def _attributes_of_layer(self, layer):
        if id(layer) in self.attributes:
            return
        self.held.append(layer)
        tokens = {}
        self.attributes[id(layer)] = tokens
        own, token = vars(layer), self.token
        # Written for speed: most of the time goes here.
        for name in own.keys() - bookkeeping(isinstance(layer, keras.Model)):
            value = own[name]
            tokens[name] = value if type(value) in _PLAIN else token(value)
        tokens["trainable"] = layer.trainable
        tokens["dtype_policy"] = token(layer.dtype_policy)
        # Somebody may have replaced the method of the class. Read once for each
        # class.
        kind = type(layer)
        if kind not in self._calls:
            self._calls[kind] = token(kind.call)
        tokens["call"] = self._calls[kind]

    def _policy(self, policy):
        return id(type(policy)), policy.name

    def _object(self, value):
        if id(value) not in self.attributes and self._depth < _DEPTH:
            self._depth += 1
            tokens = {}
            self.attributes[id(value)] = tokens
            for name, content in vars(value).items():
                tokens[name] = self.token(content)
            self._depth -= 1
        return self._identity(value)


class Unseen:
    """Base class of objects that no signature looks at, such as caches."""


class Snapshot:
    """A signature to compare with later ones; it keeps nothing alive.

    Args:
        signature: The signature.
    """

    def __init__(self, signature: Signature) -> None:
        # What changes by running: bookkeeping of a user's own layers.
        self._volatile: set[Any] = set()
        self._keep(signature)

    def matches(self, now: Signature) -> bool:
        """Tells whether nothing that counts is different now."""
        # If an object is gone, its identity may be that of another one by now.
        if any(reference() is None for reference in self._references):
            return False
        if self._attributes == now.attributes:
            return True
        return self._differences(now) <= self._volatile

    def settle(self, after: Signature) -> None:
        """Notes what has changed by running alone.

        Args:
            after: The signature after the run.
        """
        self._volatile |= self._differences(after)
        self._keep(after)

    def _keep(self, signature):
        self._attributes = signature.attributes
        self._references = list(map(_reference, signature.held))

    def _differences(self, other):
        """Pairs of an object's identity and the name of what differs."""
        before, after = self._attributes, other.attributes
        found = set()
        for owner in before.keys() | after.keys():
            mine, its = before.get(owner, {}), after.get(owner, {})
            # `found` stands for an attribute that is not there: no token is
            # equal to it.
            found.update(
                (owner, name)
                for name in mine.keys() | its.keys()
                if mine.get(name, found) != its.get(name, found)
            )
        return found


def _reference(held):
    try:
        return weakref.ref(held)
    except TypeError:  # A few types of Python's own and of frameworks.
        return lambda: held


def own_variables(layer: keras.layers.Layer) -> list[Any]:
    """The variables of a layer's own attributes, states of seeds included."""
    found = []
    for value in vars(layer).values():
        if isinstance(value, keras.random.SeedGenerator):
            found.append(value.state)
        elif isinstance(value, keras.Variable):
            found.append(value)
    return found


@functools.cache
def bookkeeping(of_models):
    """Names of the attributes that Keras keeps for itself.

    Args:
        of_models: Whether those of models are among them.
    """
    if of_models:
        model = keras.Model(name="bare")
        return frozenset([*vars(model), *_TRACKED, *_OF_MODELS])
    return frozenset([*vars(keras.layers.Layer(name="bare")), *_TRACKED])


def _reader(signature, value):
    """The method of a signature that reads values of this type."""
    if isinstance(value, Unseen):
        return lambda value: None
    if isinstance(value, (*_PLAIN, np.generic)):
        return lambda value: value
    if isinstance(value, ClassifierView):
        return signature._view
    if isinstance(value, keras.layers.Layer):
        return signature._layer
    if isinstance(value, keras.DTypePolicy):
        return signature._policy
    if isinstance(value, (list, tuple)):
        return signature._sequence
    if isinstance(value, (set, frozenset)):
        return signature._set
    if isinstance(value, dict):
        return signature._mapping
    if isinstance(value, np.ndarray):
        return signature._array
    if isinstance(value, types.FunctionType):
        return signature._function
    if isinstance(value, keras.losses.Loss):
        return signature._object
    package = type(value).__module__.partition(".")[0]
    if package in _FRAMEWORKS or package in sys.stdlib_module_names:
        return signature._identity
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return signature._object
    return signature._identity
