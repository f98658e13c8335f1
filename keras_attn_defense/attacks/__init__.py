"""Attacks: adversarial images for any Keras classifier."""

from .._public import public_names as _public_names
from ..classifier import ClassifierView as ClassifierView
from . import objectives as objectives
from . import perturbation_sets as perturbation_sets
from .apgd import APGD as APGD
from .attack import Attack as Attack
from .attention_attack import AttentionAttack as AttentionAttack
from .auto_attack import AutoAttack as AutoAttack
from .bim import BIM as BIM
from .bpda import BPDA as BPDA
from .carlini_wagner import CarliniWagner as CarliniWagner
from .ddn import DDN as DDN
from .deep_fool import DeepFool as DeepFool
from .ead import EAD as EAD
from .engine.attack_result import AttackResult as AttackResult
from .engine.task import Task as Task
from .ensemble_attack import EnsembleAttack as EnsembleAttack
from .fab import FAB as FAB
from .fgsm import FGSM as FGSM
from .fmn import FMN as FMN
from .gradient_attack import GradientAttack as GradientAttack
from .hop_skip_jump import HopSkipJump as HopSkipJump
from .iter_ll import IterLL as IterLL
from .momentum_bim import MomentumBIM as MomentumBIM
from .named import get as get
from .nfgsm import NFGSM as NFGSM
from .pgd import PGD as PGD
from .randomized_step_ll import RandomizedStepLL as RandomizedStepLL
from .search_attack import SearchAttack as SearchAttack
from .search_attack import select as select
from .square import Square as Square
from .step_ll import StepLL as StepLL
from .szegedy_lbfgs import SzegedyLBFGS as SzegedyLBFGS
from .transfer_attack import TransferAttack as TransferAttack


def __dir__():
    return _public_names(globals(), ["objectives", "perturbation_sets"])
