"""Objectives that attacks maximize: one value per image."""

from ..._public import public_names as _public_names
from .attention_deviation import AttentionDeviation as AttentionDeviation
from .cross_entropy import CrossEntropy as CrossEntropy
from .cross_entropy import cross_entropy as cross_entropy
from .defense import Defense as Defense
from .dlr import DLR as DLR
from .dlr import dlr as dlr
from .dlr import targeted_dlr as targeted_dlr
from .expectation_over_transformation import (
    ExpectationOverTransformation as ExpectationOverTransformation,
)
from .feature_importance import FeatureImportance as FeatureImportance
from .kl_divergence import KLDivergence as KLDivergence
from .margin import Margin as Margin
from .margin import margin as margin
from .naming import get as get
from .naming import serialize as serialize
from .objective import FunctionObjective as FunctionObjective
from .objective import ImageObjective as ImageObjective
from .objective import Objective as Objective
from .targeted import TargetedDLR as TargetedDLR
from .targeted import TargetedMargin as TargetedMargin


def __dir__():
    return _public_names(globals())
