"""Norm balls, and the geometry of their borders."""

from .l1_ball import L1Ball as L1Ball
from .perturbation_set import PerturbationSet as PerturbationSet
from .perturbation_sets import L2Ball as L2Ball
from .perturbation_sets import LinfBall as LinfBall
from .perturbation_sets import get as get
