"""The one cache of compiled functions."""

from collections.abc import Callable
from typing import Any

from keras import ops

from .._backend import SUPPORTS_JIT
from .._backend import compiled
from .classifier_view import ClassifierView
from .signature import Signature
from .signature import Snapshot
from .signature import Unseen
from .signature import own_variables


class CompiledFunctions(Unseen):
    """Functions compiled once for what they are made of, as it is now.

        def build(attention, classifier):
            return {"explain": lambda x: attention.explain(classifier, x)[1]}

        code = CompiledFunctions(build)  # keep this object
        code(attention, classifier)["explain"](images)  # look up each time

    A model that keeps code for itself names itself as a part, so that its own
    attributes count too: `code(model)["craft"](images, labels)`.

    `build` makes a dict of functions of tensors. They are compiled for the
    parts that are given, and used again for the last few sets of parts that
    are the same: a model whose activation, layers, precision or LoRA have
    changed is another one, one whose weights have changed is not (see
    `Signature`). Ask for the functions at each use, not once and for all: a
    look-up costs a millisecond or two for a network of 150 layers.

    A plain object, so that Keras does not track the models. It keeps the last
    few alive. On PyTorch, which compiles nothing, nothing is kept.

    Args:
        build: Function of the parts that returns a dict of functions.
        owner: Whether the first part is a Keras layer that users copy, such as
            an attack. Variables of its own (its seeds) are handed to the
            compiled code at each call, so that copies share it.
        arguments: Names of attributes of the owner that the compiled code is
            given as arguments, or does not depend on.
        keeps_functions: Whether code of a plain function as a model is kept
            too. Such a function may read weights that the code would keep as
            they are now.
        size: For how many sets of parts code is kept.
        compile: `compiled`, or `differentiable` of `_backend` for callers that
            take gradients.
    """

    def __init__(
        self,
        build: Callable[..., dict[str, Callable[..., Any]]],
        *,
        owner: bool = False,
        arguments: tuple[str, ...] = (),
        keeps_functions: bool = False,
        size: int = 4,
        compile: Callable[..., Any] = compiled,
    ) -> None:
        self._build = build
        self._owner = owner
        self._arguments = arguments
        self._keeps_functions = keeps_functions
        self._size = size
        self._compile = compile
        self._entries: list[_Entry] = []  # The last one used first.

    def __call__(self, *parts: Any) -> dict[str, Callable[..., Any]]:
        """The compiled functions for these parts, by name.

        Args:
            *parts: What `build` takes: layers, models, classifier views,
                numbers. Those with `variables` are compiled with them.
        """
        views = [part for part in parts if isinstance(part, ClassifierView)]
        for view in views:
            view.refresh()
        if not SUPPORTS_JIT:
            variables = _variables(parts)
            return {
                name: self._compile(function, variables)
                for name, function in self._build(*parts).items()
            }
        now = self._signature(parts)
        entry = next((e for e in self._entries if e.matches(now)), None)
        if entry is None:
            parts_kept = self._kept(parts)
            entry = _Entry(
                parts_kept, now, self._build, self._signature, self._compile
            )
        # A view without variables is a plain function, which may read weights
        # that the code has as constants: such code is used once.
        if self._keeps_functions or all(view.variables for view in views):
            rest = [each for each in self._entries if each is not entry]
            self._entries = [entry, *rest][: self._size]
        if not self._owner:
            return entry.functions
        return entry.functions_of(parts[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_entries": []}  # Code is of one process.

    def _signature(self, parts):
        if not self._owner:
            return Signature(*parts)
        owner, *others = parts
        return Signature(*others, owner=owner, arguments=self._arguments)

    def _kept(self, parts):
        if not self._owner:
            return parts
        # A user may change it later: code for another size of images is then
        # still traced with what belongs to the entry.
        owner = object.__new__(type(parts[0]))
        vars(owner).update(vars(parts[0]))
        return (owner, *parts[1:])


class _Entry(Snapshot):
    """Compiled functions and what they were made of.

    Args:
        parts: The parts.
        signature: Their signature.
        build: As in `CompiledFunctions`.
        sign: Function from parts to their signature.
        compile: As in `CompiledFunctions`.
    """

    def __init__(self, parts, signature, build, sign, compile):
        super().__init__(signature)
        self._parts = parts
        self._sign = sign
        self._traced = False
        self._compile = compile
        variables = _variables(parts)
        self.functions = {
            name: self._compiled(function, variables)
            for name, function in build(*parts).items()
        }

    def _compiled(self, function, variables):
        def traced(*args):
            self._traced = True
            return function(*args)

        run = self._compile(traced, variables)

        def call(*args):
            outputs = run(*args)
            if self._traced:
                # What has changed by being traced is bookkeeping.
                self._traced = False
                self.settle(self._sign(self._parts))
            return outputs

        return call

    def functions_of(self, owner):
        """The functions, with the variables of a copy of the owner."""
        theirs, its = own_variables(self._parts[0]), own_variables(owner)
        pairs = list(zip(theirs, its, strict=True))
        if all(there is here for there, here in pairs):
            return self.functions
        return {
            name: _with_values_of(pairs, function)
            for name, function in self.functions.items()
        }


def _variables(parts):
    """All variables of the parts, each once."""
    found = {}
    for part in parts:
        found.update((id(v), v) for v in getattr(part, "variables", ()))
    return list(found.values())


def _with_values_of(pairs, function):
    """`function`, with second variables in place of the first it uses."""

    def call(*args):
        # The code reads and writes the variables that it was traced with. They
        # take the copy's values for this call, hand the new ones over, and get
        # their own back.
        before = [ops.convert_to_numpy(used).copy() for used, _ in pairs]
        for used, own in pairs:
            used.assign(own.value)
        try:
            outputs = function(*args)
            for used, own in pairs:
                own.assign(used.value)
        finally:
            for (used, _), value in zip(pairs, before, strict=True):
                used.assign(value)
        return outputs

    return call
