"""The defended model."""

from .attention_defended_model import (
    AttentionDefendedModel as AttentionDefendedModel,
)
from .sample_selection import StrongSampleSelection as StrongSampleSelection
