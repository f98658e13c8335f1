"""Losses on predictions and attention maps, per sample, reduced by Keras."""

from .label_crossentropy import LabelCrossentropy as LabelCrossentropy
from .preservation_loss import PreservationLoss as PreservationLoss
from .rectification_loss import RectificationLoss as RectificationLoss
