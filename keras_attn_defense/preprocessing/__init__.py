"""Layers and classifiers that prepare images as weights or clients need it."""

from .._public import public_names as _public_names
from .input_preprocessing import InputPreprocessing as InputPreprocessing
from .serving_preprocessing import ServingPreprocessing as ServingPreprocessing
from .with_preprocessing import with_preprocessing as with_preprocessing


def __dir__():
    return _public_names(globals())
