"""Small robust classifiers that come with the library, each with its card."""

from .._public import public_names as _public_names
from .collection import card as card
from .collection import load as load
from .collection import names as names


def __dir__():
    return _public_names(globals())
