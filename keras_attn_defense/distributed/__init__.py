"""Evaluations on several processes and machines."""

from .._public import public_names as _public_names
from .ray import Ray as Ray


def __dir__():
    return _public_names(globals())
