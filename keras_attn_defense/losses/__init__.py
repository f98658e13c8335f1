"""Losses on predictions and attention maps, per sample, reduced by Keras."""

from .._public import public_names as _public_names
from .label_crossentropy import LabelCrossentropy as LabelCrossentropy
from .preservation_loss import PreservationLoss as PreservationLoss
from .rectification_loss import RectificationLoss as RectificationLoss


def __dir__():
    return _public_names(globals())
