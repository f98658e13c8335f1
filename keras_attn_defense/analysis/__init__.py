"""Measures of attention under attack, and the study of the paper."""

from .._public import public_names as _public_names
from .attention_study import AttentionStudy as AttentionStudy
from .compare_studies import StudyComparison as StudyComparison
from .compare_studies import compare_studies as compare_studies
from .completeness import attention_completeness as attention_completeness
from .confidence_drop import confidence_drop as confidence_drop
from .deviation import AttentionDeviation as AttentionDeviation
from .deviation import attention_deviation as attention_deviation
from .scatter import AttentionScatter as AttentionScatter
from .scatter import attention_scatter as attention_scatter
from .study_result import StudyResult as StudyResult
from .study_result import load_study as load_study


def __dir__():
    return _public_names(globals())
