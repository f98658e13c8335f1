"""Keras classifiers that keep their attention under attack."""

from . import adapters as adapters
from . import analysis as analysis
from . import attacks as attacks
from . import attention as attention
from . import callbacks as callbacks
from . import datasets as datasets
from . import defenses as defenses
from . import distributed as distributed
from . import evaluation as evaluation
from . import losses as losses
from . import models as models
from . import preprocessing as preprocessing
from . import visualization as visualization
from . import zoo as zoo
from ._public import public_names as _public_names
from .evaluation import evaluate_robustness as evaluate_robustness
from .export import export as export
from .models import AttentionDefendedModel as AttentionDefendedModel
from .version import __version__ as __version__


def __dir__():
    packages = [
        "adapters",
        "analysis",
        "attacks",
        "attention",
        "callbacks",
        "datasets",
        "defenses",
        "distributed",
        "evaluation",
        "losses",
        "models",
        "preprocessing",
        "visualization",
        "zoo",
    ]
    return _public_names(globals(), packages)
