"""Keras classifiers that keep their attention under attack."""

from . import attacks as attacks
from . import attention as attention
from . import callbacks as callbacks
from . import datasets as datasets
from . import losses as losses
from .models import AttentionDefendedModel as AttentionDefendedModel
from .models import StrongSampleSelection as StrongSampleSelection
from .version import __version__ as __version__
