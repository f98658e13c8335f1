"""Adapters to attacks of other libraries, in both directions."""

from .._public import public_names as _public_names
from .art import from_art as from_art
from .art import to_art as to_art
from .foolbox import from_foolbox as from_foolbox
from .foolbox import to_foolbox as to_foolbox
from .foreign_attack import ForeignAttack as ForeignAttack
from .function import from_function as from_function
from .torch import from_torch as from_torch
from .torch import to_torch as to_torch
from .torch_classifier import from_torch_module as from_torch_module


def __dir__():
    return _public_names(globals())
