"""Classifiers for a server: predictions, and what they are based on."""

from .export import export as export
from .serving_preprocessing import ServingPreprocessing as ServingPreprocessing
