"""Norm balls: what a perturbation may be."""

from ..._public import public_names as _public_names
from .l0_ball import L0Ball as L0Ball
from .l1_ball import L1Ball as L1Ball
from .norm_balls import L2Ball as L2Ball
from .norm_balls import LinfBall as LinfBall
from .norm_balls import get as get
from .perturbation_set import PerturbationSet as PerturbationSet


def __dir__():
    return _public_names(globals())
