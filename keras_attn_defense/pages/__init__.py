"""Pages for a browser: one file each, which loads nothing from elsewhere."""

from .comparison_page import comparison_page
from .page import check_page
from .page import is_page
from .page import write_page
from .report_page import median_sentence
from .report_page import report_page
from .study_page import study_page

__all__ = [
    "check_page",
    "comparison_page",
    "is_page",
    "median_sentence",
    "report_page",
    "study_page",
    "write_page",
]
