"""Attacks: adversarial images for any Keras classifier."""

from . import objectives as objectives
from . import perturbation_sets as perturbation_sets
from .attack import Attack as Attack
from .bim import BIM as BIM
from .fgsm import FGSM as FGSM
from .iter_ll import IterLL as IterLL
from .momentum_bim import MomentumBIM as MomentumBIM
from .pgd import PGD as PGD
from .randomized_step_ll import RandomizedStepLL as RandomizedStepLL
from .step_ll import StepLL as StepLL
