"""The defended model, and which images it attacks for longer."""

from .._public import public_names as _public_names
from .attention_defended_model import (
    AttentionDefendedModel as AttentionDefendedModel,
)
from .robust_objective import RobustObjective as RobustObjective
from .sample_selection import StrongSampleSelection as StrongSampleSelection
from .smooth_activations import smooth_activations as smooth_activations
from .weight_perturbation import (
    AdversarialWeightPerturbation as AdversarialWeightPerturbation,
)


def __dir__():
    return _public_names(globals())
