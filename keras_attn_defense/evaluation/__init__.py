"""Evaluation of robustness: one call, a report, checks of its numbers."""

from .._public import public_names as _public_names
from .card import load_card as load_card
from .compare import Comparison as Comparison
from .compare import Pair as Pair
from .compare import compare as compare
from .confidence import PairedDifference as PairedDifference
from .evaluate import evaluate_robustness as evaluate_robustness
from .flag import Flag as Flag
from .report import Report as Report
from .summary import Accuracy as Accuracy
from .threat_model import ThreatModel as ThreatModel


def __dir__():
    return _public_names(globals())
