"""Figures of attention, attacks and training, drawn with matplotlib."""

from .._public import public_names as _public_names
from .attack_figure import attack_figure as attack_figure
from .attack_steps_figure import attack_steps_figure as attack_steps_figure
from .attention_figure import attention_figure as attention_figure
from .certificate_figure import certificate_figure as certificate_figure
from .overlay import overlay as overlay
from .perturbation_figure import perturbation_figure as perturbation_figure
from .robustness_figure import robustness_figure as robustness_figure
from .study_figure import comparison_figure as comparison_figure
from .study_figure import study_figure as study_figure
from .training_figure import training_figure as training_figure


def __dir__():
    return _public_names(globals())
