"""Defenses of other papers, each of which says how it must be attacked."""

from .._public import public_names as _public_names
from ..classifier import HowToAttack as HowToAttack
from .bit_depth_reduction import BitDepthReduction as BitDepthReduction
from .defend import defend as defend
from .defense_layer import DefenseLayer as DefenseLayer
from .jpeg_compression import JPEGCompression as JPEGCompression


def __dir__():
    return _public_names(globals())
