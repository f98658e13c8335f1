"""Defenses of other papers, each of which says how it must be attacked."""

from .._public import public_names as _public_names
from ..classifier import HowToAttack as HowToAttack
from .anti_adversary import AntiAdversary as AntiAdversary
from .ape_gan import APEGAN as APEGAN
from .bit_depth_reduction import BitDepthReduction as BitDepthReduction
from .compress_and_restore import CompressAndRestore as CompressAndRestore
from .crop_rescale import CropRescale as CropRescale
from .defend import defend as defend
from .defense_layer import DefenseLayer as DefenseLayer
from .distill import distill as distill
from .guided_denoiser import GuidedDenoiser as GuidedDenoiser
from .jpeg_compression import JPEGCompression as JPEGCompression
from .online_generator import OnlineGenerator as OnlineGenerator
from .purifier import Purifier as Purifier
from .random_resize_pad import RandomResizePad as RandomResizePad
from .stochastic_activation_pruning import (
    StochasticActivationPruning as StochasticActivationPruning,
)
from .super_resolution import SuperResolution as SuperResolution
from .temperature import Temperature as Temperature
from .total_variation_minimization import (
    TotalVariationMinimization as TotalVariationMinimization,
)


def __dir__():
    return _public_names(globals())
