"""Export of classifiers for a server, with predictions and attention maps."""

from .export import export as export
