"""Defenses of other papers, each of which says how it must be attacked."""

from .._public import public_names as _public_names
from ..classifier import HowToAttack as HowToAttack
from .anti_adversary import AntiAdversary as AntiAdversary
from .bit_depth_reduction import BitDepthReduction as BitDepthReduction
from .crop_rescale import CropRescale as CropRescale
from .defend import defend as defend
from .defense_layer import DefenseLayer as DefenseLayer
from .jpeg_compression import JPEGCompression as JPEGCompression
from .random_resize_pad import RandomResizePad as RandomResizePad
from .stochastic_activation_pruning import (
    StochasticActivationPruning as StochasticActivationPruning,
)
from .total_variation_minimization import (
    TotalVariationMinimization as TotalVariationMinimization,
)


def __dir__():
    return _public_names(globals())
