"""Keras callbacks for defended training."""

from .._public import public_names as _public_names
from .attention_snapshot import AttentionSnapshot as AttentionSnapshot
from .catastrophic_overfitting import (
    CatastrophicOverfitting as CatastrophicOverfitting,
)
from .defense_schedule import DefenseSchedule as DefenseSchedule
from .resume import Resume as Resume
from .robust_checkpoint import RobustCheckpoint as RobustCheckpoint
from .robustness_evaluation import RobustnessEvaluation as RobustnessEvaluation
from .training_log import TrainingLog as TrainingLog
from .weight_averaging import WeightAveraging as WeightAveraging


def __dir__():
    return _public_names(globals())
