"""The defended model."""

from .attention_defended_model import (
    AttentionDefendedModel as AttentionDefendedModel,
)
from .input_preprocessing import InputPreprocessing as InputPreprocessing
from .sample_selection import StrongSampleSelection as StrongSampleSelection
from .with_preprocessing import with_preprocessing as with_preprocessing
