"""Evaluation of robustness: one call, a report, checks of its numbers."""

from .._public import public_names as _public_names
from .accuracy_rows import AccuracyRow as AccuracyRow
from .card import load_card as load_card
from .certificate import Certificate as Certificate
from .certificate import load_certificate as load_certificate
from .certify import certify as certify
from .compare import compare as compare
from .comparison import ComparedPair as ComparedPair
from .comparison import Comparison as Comparison
from .confidence import PairedDifference as PairedDifference
from .corruption_result import CorruptionResult as CorruptionResult
from .corruption_result import load_corruptions as load_corruptions
from .evaluate import evaluate_robustness as evaluate_robustness
from .evaluate_corruptions import evaluate_corruptions as evaluate_corruptions
from .gallery import Answers as Answers
from .gallery import Gallery as Gallery
from .merge import merge as merge
from .red_flag import RedFlag as RedFlag
from .report import RobustnessReport as RobustnessReport
from .threat_model import ThreatModel as ThreatModel


def __dir__():
    return _public_names(globals())
