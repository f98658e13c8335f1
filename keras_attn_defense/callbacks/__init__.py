"""Keras callbacks for defended training."""

from .defense_schedule import DefenseSchedule as DefenseSchedule
from .robust_checkpoint import RobustCheckpoint as RobustCheckpoint
from .robustness_evaluation import RobustnessEvaluation as RobustnessEvaluation
